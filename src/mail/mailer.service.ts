import { type BeforeApplicationShutdown, Injectable, Logger } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { AppError, newId } from '../common/index.js';
import { Outbox, OutboxFailure } from '../outbox/index.js';
import { TenantContext, TenantRunner } from '../tenancy/index.js';
import { checkAddress, type MailRecipient, oneLine } from './mail.address.js';
import { MAIL_SEND, MailPost } from './mail.post.js';
import type { MailData, MailLinksOf, MailTemplate } from './mail.templates.js';

export interface MailRequest<T extends MailTemplate> {
  template: T;
  to: MailRecipient;
  data: MailData[T];
  links: MailLinksOf<T>;
}

/** Platform mails waiting or under way at once; more are refused. */
const MAX_PENDING = 1000;
const PLATFORM_ATTEMPTS = 6;
/** At shutdown, how long platform mails under way may take, in ms. */
const DRAIN_MS = 10_000;

@Injectable()
export class Mailer implements BeforeApplicationShutdown {
  private readonly logger = new Logger('Mail');
  private readonly pending = new Set<Promise<void>>();
  private readonly stopping = new AbortController();
  private readonly giveUp = new AbortController();

  constructor(
    private readonly outbox: Outbox,
    private readonly context: TenantContext,
    private readonly runner: TenantRunner,
    private readonly post: MailPost,
  ) {}

  /**
   * Sends a mail of the current tenant once the current unit of work has committed; rolled back, it is never sent. It
   * survives a crash, and is sent twice only when the process dies between delivery and the note of it, then with the
   * same Message-ID.
   *
   * @throws TenantContextMissing outside a tenant scope
   * @throws AppError 422 mail_address_invalid
   */
  async send<T extends MailTemplate>(request: MailRequest<T>): Promise<void> {
    this.context.currentOrThrow('A mail');
    await this.outbox.add(MAIL_SEND, checked(request));
  }

  /**
   * Sends a mail of the platform, which has no tenant and so no outbox. It leaves at once, whatever becomes of an open
   * unit of work, is tried again for some minutes, and is lost with the process.
   *
   * @throws AppError 422 mail_address_invalid, 503 mail_queue_full
   */
  sendAsPlatform<T extends MailTemplate>(request: MailRequest<T>): void {
    const mail = checked(request);
    if (this.pending.size >= MAX_PENDING || this.stopping.signal.aborted) throw queueFull();
    // In a scope of its own: it has nothing to do with the caller's tenant or unit of work.
    const work = this.runner
      .runAsPlatform('a platform mail', () => this.deliver(newId(), mail))
      .finally(() => this.pending.delete(work));
    this.pending.add(work);
  }

  /** Before the transport closes. Mails that wait for another attempt are tried once more. */
  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    const late = setTimeout(() => this.giveUp.abort(), DRAIN_MS);
    await Promise.all(this.pending);
    clearTimeout(late);
  }

  private async deliver(id: string, mail: ReturnType<typeof checked>): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const last = attempt === PLATFORM_ATTEMPTS || this.stopping.signal.aborted;
      try {
        await this.post.deliver(id, mail, undefined, this.giveUp.signal);
        return;
      } catch (error) {
        const reason = error instanceof OutboxFailure ? error.reason : (error as Error).name;
        const line = { mail: id, template: mail.template, attempt, reason };
        if (last || (error instanceof OutboxFailure && error.permanent)) {
          this.logger.error(line, 'A platform mail was given up');
          return;
        }
        this.logger.warn(line, 'A platform mail failed and will be tried again');
        await sleep(1000 * 4 ** (attempt - 1), undefined, { signal: this.stopping.signal }).catch(() => undefined);
      }
    }
  }
}

function checked<T extends MailTemplate>({ template, to, data, links }: MailRequest<T>) {
  return { template, to: { address: checkAddress(to.address), name: oneLine(to.name ?? '') }, data, links };
}

function queueFull(): AppError {
  return new AppError({
    status: 503,
    code: 'mail_queue_full',
    detail: 'Mail cannot be taken at the moment.',
    remedy: 'Try again in a minute.',
    headers: { 'Retry-After': '60' },
  });
}
