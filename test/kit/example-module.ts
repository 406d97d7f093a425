import { Controller, Get, Injectable, Module, Param } from '@nestjs/common';
import { IsUrl, Matches, Max, Min } from 'class-validator';
import { ForTenant } from '../../src/auth/index.js';
import { TenantCache } from '../../src/cache/index.js';
import { AppError } from '../../src/common/index.js';
import { declareFeature, RequiresFeature } from '../../src/features/index.js';
import { declareLimit, LimitedBy } from '../../src/limits/index.js';
import { OutboundFetch } from '../../src/outbound/index.js';
import { type TenantResource, TenantResources } from '../../src/resources/index.js';
import { SecretVault } from '../../src/secrets/index.js';
import { declareSecret, declareSetting, settingOf } from '../../src/settings/index.js';

// A setting, and a secret one.
export const RATES_URL = declareSetting<string | undefined>({
  key: 'rates.url',
  description: 'Where exchange rates are asked for.',
  type: 'string',
  rules: [IsUrl({ require_tld: false, protocols: ['http', 'https'], require_protocol: true })],
  allowed: 'a URL',
  default: undefined,
  changedBy: 'owner',
  copied: false,
});
export const RATES_TOKEN = declareSecret({
  key: 'rates.token',
  description: 'What the server of exchange rates knows the tenant by.',
  // Sent nowhere but where that pointed when it was entered.
  sentTo: [RATES_URL],
  rules: [Matches(/^[\x21-\x7e]{1,200}$/)],
  allowed: 'a token of at most 200 characters',
  changedBy: 'owner',
});

// A limit: its quota is a setting, which plans may set.
export const RATES_PER_HOUR = declareSetting<number | undefined>({
  key: 'limits.rates_per_hour',
  description: 'Exchange rates in an hour.',
  type: 'integer',
  rules: [Min(1), Max(100_000)],
  allowed: 'an integer from 1 to 100,000',
  default: undefined,
  changedBy: 'platform',
  byPlan: true,
});
declareLimit({ name: 'rates', setting: RATES_PER_HOUR, windowSeconds: 3600 });

// A feature.
export const RATES = declareFeature({ name: 'rates', description: 'Exchange rates.', default: false });

interface RatesServer {
  ask: (currency: string) => Promise<number>;
}

@Injectable()
export class RatesService {
  private readonly server: TenantResource<RatesServer>;
  private readonly kept;

  constructor(
    resources: TenantResources,
    cache: TenantCache,
    private readonly outbound: OutboundFetch,
    private readonly vault: SecretVault,
  ) {
    this.kept = cache.of('rates');
    // A resource: made again when one of its settings changes.
    this.server = resources.declare<RatesServer>({
      name: 'rates_server',
      settings: [RATES_URL, RATES_TOKEN],
      isSetUp: (tenant) => settingOf(tenant, RATES_URL) !== undefined,
      make: async (tenant) => this.connect(settingOf(tenant, RATES_URL), await this.vault.open(RATES_TOKEN)),
      dispose: () => undefined,
      // What admins read of a failure: never what the peer said.
      reasonOf: (error) => (error instanceof NoRates ? error.message : undefined),
    });
  }

  /** Of one currency against the euro, at most a minute old. @throws ResourceUnavailable, NoRates */
  rateOf(currency: string): Promise<number> {
    return this.kept.wrap(currency, 60_000, () => this.server.use((server) => server.ask(currency)));
  }

  private connect(url: string | undefined, token: string | undefined): RatesServer {
    if (url === undefined) throw new NoRates('Nobody has set rates.url.');
    // Only to addresses that tenants may reach, and unencrypted only within networks of the operator.
    const fetch = this.outbound.within({ timeoutMs: 5000, maxBytes: 1000 });
    const headers = { authorization: `Bearer ${token ?? ''}` };
    return {
      ask: async (currency) => {
        const answer = await fetch(`${url}/${encodeURIComponent(currency)}`, { headers }).catch((error: unknown) => {
          throw new NoRates(error instanceof AppError ? error.message : 'The server does not answer.', error);
        });
        if (answer.status === 401) throw new NoRates('The server refuses rates.token.');
        const rate = answer.ok ? Number(await answer.text()) : NaN;
        if (!(rate > 0)) throw new NoRates('The server answers with no rate.');
        return rate;
      },
    };
  }
}

class NoRates extends AppError {
  constructor(detail: string, cause?: unknown) {
    const remedy = 'Let an admin check rates.url and rates.token, or try again later.';
    super({ status: 503, code: 'rates_unavailable', detail, remedy, cause });
  }
}

@Controller('api/rates')
export class RatesController {
  constructor(private readonly rates: RatesService) {}

  @Get(':currency')
  @ForTenant()
  @RequiresFeature(RATES)
  @LimitedBy('rates')
  async rate(@Param('currency') currency: string): Promise<object> {
    return { currency, rate: await this.rates.rateOf(currency) };
  }
}

@Module({ controllers: [RatesController], providers: [RatesService] })
export class RatesModule {}
