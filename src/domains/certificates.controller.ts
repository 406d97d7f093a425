import { Controller, Get, Header, HttpCode, Query } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { IsString, MaxLength } from 'class-validator';
import { Internal } from '../auth/index.js';
import { AppError } from '../common/index.js';
import { CertificateQuestion } from '../tenant/index.js';

export class CertificateQuery {
  @ApiProperty({ example: 'acme.localhost' })
  @IsString({ message: 'must be a text' })
  @MaxLength(512, { message: 'must be at most 512 characters' })
  domain: string;
}

class NoCertificate extends AppError {
  constructor() {
    super({
      status: 404,
      code: 'domain_not_allowed',
      detail: 'No active tenant is reached by this name.',
      remedy: 'Get no certificate for it.',
    });
  }
}

@ApiTags('domains')
@Controller('internal/domains')
export class CertificatesController {
  constructor(private readonly question: CertificateQuestion) {}

  @Get('allowed')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @Internal()
  @ApiOperation({
    summary: 'Whether a proxy should get a certificate for a name',
    description:
      'For on-demand TLS: 200 for a verified domain or subdomain of an active tenant, 404 for any other. Only for ' +
      'programs on the same machine and TRUSTED_PROXIES, and never for requests that those pass on.',
  })
  @ApiOkResponse({ schema: { type: 'object', required: ['allowed'], properties: { allowed: { type: 'boolean' } } } })
  async allowed(@Query() { domain }: CertificateQuery): Promise<{ allowed: true }> {
    if (!(await this.question.mayHaveOne(domain))) throw new NoCertificate();
    return { allowed: true };
  }
}
