import { Inject, Injectable, type OnApplicationShutdown } from '@nestjs/common';
import { AppError } from '../common/index.js';
import { ENV } from '../database/index.js';
import type { Env } from '../env/index.js';
import { OutboundFetch, OutboundPolicy, OutboundRefused } from '../outbound/index.js';
import { type TenantResource, TenantResources } from '../resources/index.js';
import { SecretVault } from '../secrets/index.js';
import { effectiveSetting, type Setting, settingOf } from '../settings/index.js';
import type { Tenant } from '../tenancy/index.js';
import { MODEL, MODEL_API_KEY, MODEL_BASE_URL } from './chat.settings.js';
import { isMock } from './mock-model.provider.js';
import { ModelClient, ModelFailure } from './model.client.js';
import { type Completion, type ModelProvider, type ModelRequest, ModelUnavailable } from './model.provider.js';

/** From the request to the last byte of the answer, in ms; of an answer so many bytes are read. */
const BOUNDS = { timeoutMs: 60_000, maxBytes: 256 * 1024 };
const ANYWHERE = { outboundAllow: ['0.0.0.0/0', '::/0'] };

/**
 * Models behind the OpenAI chat completions API: at the tenant's own server, else at that of MODEL_BASE_URL, and there with
 * the tenant's own key where it has one.
 */
@Injectable()
export class OpenAiModelProvider implements ModelProvider, OnApplicationShutdown {
  readonly remembers = true;
  private readonly clients: TenantResource<ModelClient>;
  /** To the operator's own server, which may be on its own network. */
  private readonly operatorFetch = new OutboundFetch(new OutboundPolicy(ANYWHERE));

  constructor(
    @Inject(ENV) private readonly env: Env,
    resources: TenantResources,
    private readonly outbound: OutboundFetch,
    private readonly secrets: SecretVault,
  ) {
    this.clients = resources.declare<ModelClient>({
      name: 'model',
      settings: [MODEL, MODEL_BASE_URL, MODEL_API_KEY],
      isSetUp: (tenant) => this.supports(settingOf(tenant, MODEL), tenant),
      make: (tenant) => this.make(tenant),
      check: (client, signal) => client.check(signal),
      dispose: () => undefined,
      reasonOf: (error) => {
        if (error instanceof ModelFailure) return error.reason;
        return error instanceof OutboundRefused ? error.message : undefined;
      },
    });
  }

  supports(model: string, tenant: Tenant): boolean {
    if (isMock(model)) return false;
    if (settingOf(tenant, MODEL_BASE_URL) !== '') return true;
    const { modelBaseUrl, modelNames } = this.env;
    return (
      modelBaseUrl !== undefined &&
      (modelNames.length === 0 || modelNames.includes(model) || isOfTenant(tenant, MODEL_API_KEY))
    );
  }

  isOwn(tenant: Tenant): boolean {
    return settingOf(tenant, MODEL_BASE_URL) !== '' && isOfTenant(tenant, MODEL_BASE_URL);
  }

  async complete({ model, history, message }: ModelRequest, signal: AbortSignal): Promise<Completion> {
    const turns = [...history, { role: 'user' as const, content: message }];
    try {
      const reply = await this.clients.use((client) => client.complete(model, turns, signal));
      return { reply, mock: false };
    } catch (error) {
      // Where the model is, is for admins to read.
      throw error instanceof OutboundRefused ? new ModelUnavailable(model, error) : error;
    }
  }

  async onApplicationShutdown(): Promise<void> {
    await this.operatorFetch.onApplicationShutdown();
  }

  private async make(tenant: Tenant): Promise<ModelClient> {
    const model = settingOf(tenant, MODEL);
    const own = settingOf(tenant, MODEL_BASE_URL);
    if (own !== '') {
      const apiKey = await this.secrets.open(MODEL_API_KEY);
      return ModelClient.open({ model, baseUrl: own, apiKey, fetch: this.outbound.within(BOUNDS) });
    }
    const { modelBaseUrl, modelApiKey } = this.env;
    if (modelBaseUrl === undefined) throw new ModelServerMissing();
    const apiKey = (await this.secrets.open(MODEL_API_KEY)) ?? modelApiKey;
    return ModelClient.open({ model, baseUrl: modelBaseUrl, apiKey, fetch: this.operatorFetch.within(BOUNDS) });
  }
}

function isOfTenant(tenant: Tenant, setting: Setting<unknown>): boolean {
  return effectiveSetting(tenant, setting).source === 'tenant';
}

class ModelServerMissing extends AppError {
  constructor() {
    super({
      status: 422,
      code: 'model_server_missing',
      detail: 'model.base_url is not set, and the platform has no model server.',
      remedy: 'Set model.base_url, or choose another model.',
    });
  }
}
