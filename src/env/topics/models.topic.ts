import type { EnvReader, Variable } from '../env.reader.js';

/** The model server that tenants without one of their own are answered by. */
export interface ModelsEnv {
  /** Before `/chat/completions`; unset: they have none but mock models. */
  modelBaseUrl: string | undefined;
  modelApiKey: string | undefined;
  /** What it may be asked for with MODEL_API_KEY; empty: whatever a tenant's setting `model` names. */
  modelNames: string[];
}

export const MODELS_VARIABLES: readonly Variable[] = [
  {
    name: 'MODEL_BASE_URL',
    example: '',
    allowed: 'an http or https URL such as https://api.example.com/v1, without user or password',
    about: 'a server of the OpenAI API, for tenants whose model.base_url names none; unset: they have mock models',
  },
  { name: 'MODEL_API_KEY', example: '', allowed: 'a key', about: 'for it, unless a tenant has set model.api_key' },
  {
    name: 'MODEL_NAMES',
    example: '',
    allowed: 'names of models, separated by commas',
    about: 'which models it may be asked for with MODEL_API_KEY; unset: any that a tenant chooses',
  },
];

export function readModels(from: EnvReader): ModelsEnv {
  const modelBaseUrl = from.url('MODEL_BASE_URL', ['http:', 'https:']);
  if (modelBaseUrl !== undefined) {
    const { username, password, search, hash } = new URL(modelBaseUrl);
    if (username + password + search + hash !== '') from.wrong('MODEL_BASE_URL');
  }
  return { modelBaseUrl, modelApiKey: from.text('MODEL_API_KEY'), modelNames: from.list('MODEL_NAMES') };
}
