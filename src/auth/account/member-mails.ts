import { Injectable } from '@nestjs/common';
import { MoreThan } from 'typeorm';
import { TenantSettings } from '../../settings/index.js';
import {
  InjectTenantRepository,
  TenantContext,
  type TenantRepository,
  TenantTransaction,
} from '../../tenancy/index.js';
import { MEMBER_MAILS_PER_HOUR } from '../auth.settings.js';
import { TooManyMails } from './account.errors.js';
import { EmailDirectory } from './email.directory.js';
import { MemberMail } from './member-mail.entity.js';

/** To one address, from one tenant. */
const MAILS_TO_ONE = 5;
const WINDOW_MS = 60 * 60 * 1000;

/**
 * Bounds the mails that members have sent to addresses of their choice: invitations, new people, changed addresses. A
 * tenant is no way to flood a stranger's mailbox, nor to use up the good name of our mail server.
 */
@Injectable()
export class MemberMails {
  constructor(
    @InjectTenantRepository(MemberMail) private readonly mails: TenantRepository<MemberMail>,
    private readonly directory: EmailDirectory,
    private readonly settings: TenantSettings,
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
  ) {}

  /**
   * Counts one more, in the database, so that every process counts alike; a rollback takes it back. Call it inside the
   * unit of work of the mail, after people, roles and keys are locked and before anything else is: it lets one mail of
   * the tenant at a time go on.
   *
   * @param emailKey of `emailKey`
   * @throws TooManyMails
   */
  async count(emailKey: string): Promise<void> {
    const { id } = this.context.currentOrThrow('A mail');
    await this.transaction.query('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [
      `tenantry:member-mails:${id}`,
    ]);
    const now = new Date();
    const recent = { sentAt: MoreThan(new Date(now.getTime() - WINDOW_MS)) };
    const recipientHmac = this.directory.hmac(emailKey);
    const toOne = await this.mails.count({ where: { ...recent, recipientHmac } });
    const ofAll = await this.mails.count({ where: recent });
    if (toOne >= MAILS_TO_ONE || ofAll >= this.settings.get(MEMBER_MAILS_PER_HOUR)) {
      throw new TooManyMails(WINDOW_MS / 1000);
    }
    await this.mails.insert({ recipientHmac, sentAt: now });
  }
}
