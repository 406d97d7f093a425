import { AppError } from '../common/index.js';

export interface ModelRequest {
  model: string;
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
  supports(model: string): boolean;
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
