import { Injectable } from '@nestjs/common';
import type { Redis } from 'ioredis';
import { AppError } from '../common/index.js';
import { OutboundPolicy, OutboundRefused } from '../outbound/index.js';
import { type TenantResource, TenantResources } from '../resources/index.js';
import { SecretVault } from '../secrets/index.js';
import { settingOf } from '../settings/index.js';
import type { Tenant } from '../tenancy/index.js';
import { BrokerClient } from './broker.client.js';
import { BROKER_URL } from './broker.settings.js';

/** The Redis that a tenant brings itself: for what modules hand over to the tenant, not for what they keep for themselves. */
@Injectable()
export class TenantBroker {
  private readonly clients: TenantResource<BrokerClient>;

  constructor(
    resources: TenantResources,
    private readonly policy: OutboundPolicy,
    private readonly secrets: SecretVault,
  ) {
    this.clients = resources.declare<BrokerClient>({
      name: 'broker',
      settings: [BROKER_URL],
      isSetUp: (tenant) => this.isSetUp(tenant),
      make: () => this.make(),
      check: async (client) => (await client.ready()).ping(),
      dispose: (client) => client.close(),
      reasonOf,
    });
  }

  /** Whether the tenant has one. */
  isSetUp(tenant: Tenant): boolean {
    return settingOf(tenant, BROKER_URL) !== undefined;
  }

  /**
   * Runs `fn` with a connection to the current tenant's own Redis, which other uses of the tenant share: no transaction with
   * WATCH, no subscription. A command takes at most 5 s.
   *
   * @throws TenantContextMissing; ResourceUnavailable where there is none or it does not work; what `fn` throws
   */
  use<R>(fn: (redis: Redis) => Promise<R> | R): Promise<R> {
    return this.clients.use(async (client) => fn(await client.ready()));
  }

  private async make(): Promise<BrokerClient> {
    const url = await this.secrets.open(BROKER_URL);
    if (url === undefined) throw new BrokerMissing();
    return BrokerClient.open(url, this.policy);
  }
}

class BrokerMissing extends AppError {
  constructor() {
    super({
      status: 422,
      code: 'broker_missing',
      detail: 'broker.url is not set.',
      remedy: 'Set broker.url.',
    });
  }
}

/** Of the connection and of what the server says of it; a command that it does not like is a fault of the command. */
function reasonOf(error: unknown): string | undefined {
  if (error instanceof OutboundRefused) return error.message;
  if (!(error instanceof Error)) return undefined;
  const { name, message } = error;
  const { code = '' } = error as { code?: string };
  if (name === 'ReplyError') {
    if (/^(WRONGPASS|NOAUTH|ERR invalid password|ERR AUTH)/.test(message)) {
      return 'It did not take the user and password in broker.url.';
    }
    if (/^NOPERM/.test(message)) return 'Its user may not do what is needed.';
    if (/^ERR DB index/.test(message)) return 'It does not have the database in broker.url.';
    return /^(LOADING|MASTERDOWN|READONLY|OOM|CLUSTERDOWN|MISCONF|ERR max number of clients)/.test(message)
      ? 'It takes nothing for now.'
      : undefined;
  }
  if (code === 'ETIMEDOUT' || message === 'Command timed out') return 'It did not answer in time.';
  if (/CERT|SELF_SIGNED|VERIFY/.test(code)) {
    return 'Its certificate is not trusted, has run out, or is for another name than that in broker.url.';
  }
  if (/^(ERR_SSL|EPROTO)/.test(code)) return 'It does not speak TLS.';
  if (/^(ECONN|EHOST|ENET|EPIPE)/.test(code)) return 'It cannot be reached at the address in broker.url.';
  return /^(Connection is closed|Stream isn't writeable)/.test(message) ? 'It closed the connection.' : undefined;
}
