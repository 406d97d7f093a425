import { Body, Controller, Header, HttpCode, NotFoundException, Post } from '@nestjs/common';
import { ApiAcceptedResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { LRUCache } from 'lru-cache';
import { AddressLimited } from '../../limits/index.js';
import { Mailer, MailLinks } from '../../mail/index.js';
import { TenantContext } from '../../tenancy/index.js';
import { Public } from '../access/access.decorator.js';
import { emailKey } from '../users/email-key.js';
import { ACCEPTED, AcceptedResponse, EmailRequest } from './account.dto.js';
import { EmailDirectory } from './email.directory.js';

/** Mails to one address per window, in this process; an address that is not ours to write to must not be flooded. */
const MAILS = 3;
const WINDOW_MS = 15 * 60 * 1000;

@ApiTags('account')
@Controller('api/auth')
export class WhichTenantsController {
  private readonly sent = new LRUCache<string, { mails: number }>({ max: 50_000, ttl: WINDOW_MS });

  constructor(
    private readonly directory: EmailDirectory,
    private readonly mailer: Mailer,
    private readonly links: MailLinks,
    private readonly context: TenantContext,
  ) {}

  @Post('tenants')
  @HttpCode(202)
  @Header('Cache-Control', 'no-store')
  @Public()
  @AddressLimited('mail')
  @ApiOperation({
    summary: 'Which tenants am I in?',
    description: 'Answered by mail and never here. Asked where no tenant is named.',
  })
  @ApiAcceptedResponse({ type: AcceptedResponse })
  async whichTenants(@Body() body: EmailRequest): Promise<AcceptedResponse> {
    // A tenant's plan may lift the limit per address, and this is not the tenant's business.
    if (this.context.resolution().kind !== 'none') throw new NotFoundException();
    const key = emailKey(body.email);
    const tenants = await this.directory.tenantsOf(key);
    if (!this.mayWriteTo(key)) return ACCEPTED;
    // Also when there are none: who asked learns it from the mailbox, and nobody from the time of the answer.
    this.mailer.sendAsPlatform({
      template: 'which-tenants',
      // As it was looked up: another spelling of the key may be the mailbox of somebody else.
      to: { address: key },
      data: { tenants: tenants.map((tenant) => ({ name: tenant.name, url: this.links.linkFor(tenant, '/') })) },
      links: {},
    });
    return ACCEPTED;
  }

  private mayWriteTo(key: string): boolean {
    const hash = this.directory.hmac(key).toString('base64');
    const count = this.sent.get(hash) ?? { mails: 0 };
    if (count.mails >= MAILS) return false;
    count.mails += 1;
    // The window runs from the first mail.
    if (count.mails === 1) this.sent.set(hash, count);
    return true;
  }
}
