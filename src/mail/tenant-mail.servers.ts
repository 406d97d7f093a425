import type { Socket } from 'node:net';
import { Injectable } from '@nestjs/common';
import { AppError } from '../common/index.js';
import { OutboundPolicy, OutboundRefused } from '../outbound/index.js';
import { OutboxFailure } from '../outbox/index.js';
import { ResourceUnavailable, type TenantResource, TenantResources } from '../resources/index.js';
import { SecretVault } from '../secrets/index.js';
import { effectiveSetting, settingOf } from '../settings/index.js';
import type { Tenant } from '../tenancy/index.js';
import { MAIL_FROM, SMTP_HOST, SMTP_PASSWORD, SMTP_PORT, SMTP_SECURITY, SMTP_USER } from './mail.settings.js';
import { type OutgoingMail, SmtpTransport } from './mail.transport.js';

const PORTS = { starttls: 587, tls: 465, plain: 25 } as const;
const CONNECTIONS = 2;
const CONNECT_MS = 5000;
const SILENCE_MS = 15_000;
/** A mail that takes longer is tried again later, in ms: a slow server of one tenant keeps a worker no longer. */
const DELIVERY_MS = 20_000;
/** One that failed so often in a row rests between tries: it would keep workers from the mails of others. */
const RESTS_AFTER = 3;

/** Mail servers of tenants that have their own: a tenant's mails go through its own, or wait for it. */
@Injectable()
export class TenantMailServers {
  private readonly servers: TenantResource<SmtpTransport>;

  constructor(
    resources: TenantResources,
    private readonly policy: OutboundPolicy,
    private readonly secrets: SecretVault,
  ) {
    this.servers = resources.declare<SmtpTransport>({
      name: 'mail_server',
      settings: [SMTP_HOST, SMTP_PORT, SMTP_USER, SMTP_PASSWORD, SMTP_SECURITY, MAIL_FROM],
      isSetUp: (tenant) => this.isSetUp(tenant),
      make: (tenant, signal) => this.make(tenant, signal),
      check: (server) => server.verify(),
      dispose: (server) => server.close(),
      reasonOf,
      restsAfter: RESTS_AFTER,
    });
  }

  isSetUp(tenant: Tenant): boolean {
    return settingOf(tenant, SMTP_HOST) !== '';
  }

  /**
   * The address that its server sends from; empty: none is set. A server that the operator has set up for it sends from no
   * address of the tenant's choice.
   */
  senderOf(tenant: Tenant): string {
    const { value, source } = effectiveSetting(tenant, MAIL_FROM);
    return source === 'tenant' && !isItsOwn(tenant) ? '' : value;
  }

  /** @throws OutboxFailure whose reason holds nothing of the mail */
  async deliver(mail: OutgoingMail, signal: AbortSignal): Promise<void> {
    try {
      await this.servers.use(async (server) => {
        const late = AbortSignal.timeout(DELIVERY_MS);
        await server.deliver(mail, AbortSignal.any([signal, late])).catch((error: unknown) => {
          throw late.aborted ? new OutboxFailure('smtp late', false, { cause: late.reason }) : error;
        });
      });
    } catch (error) {
      if (error instanceof ResourceUnavailable) throw new OutboxFailure(error.message, false, { cause: error });
      throw error;
    }
  }

  /** Signed in before the first mail, so that many mails find out together that it does not work. */
  private async make(tenant: Tenant, signal: AbortSignal): Promise<SmtpTransport> {
    const host = settingOf(tenant, SMTP_HOST);
    const security = settingOf(tenant, SMTP_SECURITY);
    const port = settingOf(tenant, SMTP_PORT) ?? PORTS[security];
    const user = settingOf(tenant, SMTP_USER);
    if (isItsOwn(tenant) && this.senderOf(tenant) === '') throw new SenderMissing();
    const pass = user === '' ? undefined : await this.secrets.open(SMTP_PASSWORD);
    const server = new SmtpTransport({
      host,
      port,
      security,
      trusted: true,
      auth: user === '' ? undefined : { user, pass: pass ?? '' },
      connections: CONNECTIONS,
      timeouts: { connect: CONNECT_MS, silence: SILENCE_MS },
      connect: () => this.connect(host, port, security),
    });
    const close = (): void => server.close();
    signal.addEventListener('abort', close);
    try {
      await server.verify();
    } catch (error) {
      close();
      throw error;
    } finally {
      signal.removeEventListener('abort', close);
    }
    return server;
  }

  private async connect(host: string, port: number, security: string): Promise<Socket> {
    const socket = await this.policy.connect(host, port, CONNECT_MS);
    if (security === 'plain') this.policy.allowPlain(socket, host);
    return socket;
  }
}

const isItsOwn = (tenant: Tenant): boolean => effectiveSetting(tenant, SMTP_HOST).source === 'tenant';

class SenderMissing extends AppError {
  constructor() {
    super({
      status: 422,
      code: 'mail_sender_missing',
      detail: 'mail.from is not set: the address that your server sends from.',
      remedy: 'Set mail.from.',
    });
  }
}

const REFUSED = 'It cannot be reached at mail.smtp_host and mail.smtp_port.';
const UNTRUSTED = 'Its certificate is not trusted, has run out, or is for another name than mail.smtp_host.';

/** Of what went wrong between here and the server; what it said is not told, as it may quote a recipient. */
function reasonOf(thrown: unknown): string | undefined {
  const error = thrown instanceof OutboxFailure ? thrown.cause : thrown;
  if (error instanceof OutboundRefused) return error.message;
  if (!(error instanceof Error)) return undefined;
  const { code, originalCode, responseCode, command } = error as {
    code?: string;
    originalCode?: string;
    responseCode?: number;
    command?: string;
  };
  if (error.name === 'TimeoutError' || code === 'ETIMEDOUT') return 'It did not answer in time.';
  if (originalCode !== undefined && /CERT|SELF_SIGNED|VERIFY/.test(originalCode)) return UNTRUSTED;
  if (originalCode !== undefined && /^(ERR_SSL|EPROTO)/.test(originalCode)) return NO_TLS;
  switch (code) {
    case 'EAUTH':
      return 'It did not take mail.smtp_user and mail.smtp_password.';
    case 'ETLS':
      return NO_TLS;
    case 'EPROTOCOL':
      return 'What answers there does not speak SMTP.';
    case 'ECONNECTION':
    case 'ESOCKET':
    case 'EDNS':
    case 'ECONNREFUSED':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ECONNRESET':
      return REFUSED;
    case 'EENVELOPE':
      if (responseCode === 530) return 'It wants a user and a password.';
      return command === 'MAIL FROM' ? 'It does not send from the address in mail.from.' : undefined;
    default:
      return undefined;
  }
}

const NO_TLS = 'It does not speak TLS the way mail.smtp_security says.';
