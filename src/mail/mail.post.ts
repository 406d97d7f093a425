import { Inject, Injectable, Logger, type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { BrandLogos, brandingOf, LOGO_TYPES, platformBranding } from '../branding/index.js';
import { ENV } from '../database/index.js';
import type { Env } from '../env/index.js';
import { OutboxHandlers } from '../outbox/index.js';
import { settingOf } from '../settings/index.js';
import { type Tenant, TenantContext, TenantTransaction } from '../tenancy/index.js';
import { oneLine } from './mail.address.js';
import { MailMetrics } from './mail.metrics.js';
import { type MailContent, MailRenderer } from './mail.renderer.js';
import { SANDBOX_RECIPIENTS } from './mail.settings.js';
import { OF_THE_PLATFORM } from './mail.templates.js';
import {
  type EmbeddedPicture,
  FileTransport,
  type MailTransport,
  type OutgoingMail,
  SmtpTransport,
  smtpOptionsOf,
} from './mail.transport.js';
import { TenantMailServers } from './tenant-mail.servers.js';

export const MAIL_SEND = 'mail.send';

/** A mail as it waits in the outbox. */
export interface Letter extends MailContent {
  to: { address: string; name: string };
}

/** Renders mails and hands them to the transport; handles `mail.send` of the outbox. */
@Injectable()
export class MailPost implements OnModuleInit, OnApplicationShutdown {
  private readonly logger = new Logger('Mail');
  private readonly transport: MailTransport;

  constructor(
    @Inject(ENV) private readonly env: Env,
    private readonly handlers: OutboxHandlers,
    private readonly renderer: MailRenderer,
    private readonly metrics: MailMetrics,
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
    private readonly servers: TenantMailServers,
    private readonly logos: BrandLogos,
  ) {
    this.transport = env.smtpUrl
      ? new SmtpTransport(smtpOptionsOf(env.smtpUrl))
      : new FileTransport(env, (mail, file) => this.logWritten(mail, file));
  }

  onModuleInit(): void {
    this.handlers.register(MAIL_SEND, ({ id, payload, signal }) =>
      this.deliver(id, payload as Letter, this.context.currentOrThrow('A mail'), signal),
    );
    if (!this.env.smtpUrl && !this.env.demo) {
      this.logger.warn('SMTP_URL is not set: mails are written to files under DATA_DIR/mail and reach nobody');
    }
  }

  /**
   * @param id Message-ID and file name come from it
   * @param tenant whose mail it is; undefined for the platform
   * @throws OutboxFailure whose reason holds nothing of the mail
   */
  async deliver(id: string, letter: Letter, tenant: Tenant | undefined, signal: AbortSignal): Promise<void> {
    this.transaction.assertNone('A mail server');
    if (tenant && !mayWrite(tenant, letter.to.address)) {
      this.metrics.held.inc();
      this.logger.log({ mail: id, template: letter.template }, 'A mail of a sandbox was held back');
      return;
    }
    const { mailFrom } = this.env;
    const platform = mailFrom.name || 'Tenantry';
    const branding = tenant ? brandingOf(tenant) : platformBranding(platform);
    const logo = tenant && (await this.logo(id));
    // Says who runs the address: a tenant may call itself what it likes.
    const sender = tenant ? oneLine(`${branding.name} via ${platform}`, 150) : platform;
    const mail: OutgoingMail = {
      id,
      tenantId: tenant?.id,
      template: letter.template,
      from: { name: sender, address: mailFrom.address },
      to: letter.to,
      link: letter.links.action,
      logo,
      ...this.renderer.render(letter, branding, logo),
    };
    if (tenant && !OF_THE_PLATFORM.has(letter.template) && this.servers.isSetUp(tenant)) {
      const from = { name: oneLine(branding.name), address: this.servers.senderOf(tenant) || mailFrom.address };
      await this.servers.deliver({ ...mail, from }, signal);
    } else {
      await this.transport.deliver(mail, signal);
    }
  }

  /** Sent along, because mail programs load nothing from outside unasked. */
  private async logo(mail: string): Promise<EmbeddedPicture | undefined> {
    const found = await this.logos.find();
    if (!found) return undefined;
    const { mediaType, content, width, height } = found;
    return { cid: `logo.${mail}`, name: `logo.${LOGO_TYPES[mediaType]}`, mediaType, content, width, height };
  }

  onApplicationShutdown(): void {
    this.transport.close();
  }

  private logWritten({ template, link }: OutgoingMail, file: string): void {
    // A link may sign somebody in: outside the demo it stays in the mail.
    this.logger.log({ file, template, link: this.env.demo ? link : undefined }, 'Mail written');
  }
}

/** The one place that keeps a sandbox from writing to people who know nothing of it. */
function mayWrite(tenant: Tenant, address: string): boolean {
  if (tenant.kind !== 'sandbox' && tenant.kind !== 'training') return true;
  const key = (text: string) => text.trim().normalize('NFKC').toLowerCase();
  return settingOf(tenant, SANDBOX_RECIPIENTS).some((allowed) => key(allowed) === key(address));
}
