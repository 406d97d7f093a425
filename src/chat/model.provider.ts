import { AppError } from '../common/index.js';
import type { Tenant } from '../tenancy/index.js';

/** What has been said in the session before. */
export interface Turn {
  role: 'user' | 'assistant';
  content: string;
}

export interface ModelRequest {
  model: string;
  /** Oldest first, the latest part of it; empty for a provider that does not remember. */
  history: Turn[];
  message: string;
  tenant: { slug: string; welcome: string };
}

export interface Completion {
  reply: string;
  /** True when no real model was asked. */
  mock: boolean;
}

/** Answers messages with a family of models. May be slow and may fail; never called while a transaction is open. */
export interface ModelProvider {
  /** Whether it is told the conversation so far, which costs a look into the database. */
  readonly remembers: boolean;
  /** Answers at once, from this process: its calls wait for no turn. */
  readonly instant?: true;
  /** Whether what the tenant asks is at a server of its own, which no other tenant uses. */
  isOwn(tenant: Tenant): boolean;
  /** @param tenant whose model it would be */
  supports(model: string, tenant: Tenant): boolean;
  complete(request: ModelRequest, signal: AbortSignal): Promise<Completion>;
}

/** Injection token of the providers, asked in order. */
export const MODEL_PROVIDERS = Symbol('MODEL_PROVIDERS');

export class ModelUnavailable extends AppError {
  constructor(model: string, cause?: unknown) {
    super({
      status: 503,
      code: 'model_unavailable',
      detail: `The model "${model}" cannot answer now.`,
      remedy: 'Try again later, or ask the tenant admin to choose another model.',
      headers: { 'Retry-After': '5' },
      cause,
    });
  }
}
