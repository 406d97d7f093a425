import { IsBoolean, Matches, Max, MaxLength, Min } from 'class-validator';
import { declareLimit } from '../limits/index.js';
import { declareSecret, declareSetting, Satisfies } from '../settings/index.js';

export const MODEL = declareSetting<string>({
  key: 'model',
  description: 'The model that answers chats.',
  type: 'string',
  rules: [MaxLength(200)],
  allowed: 'a model name of at most 200 characters',
  default: 'mock',
  changedBy: 'admin',
  byPlan: true,
});

/** Owners alone: it gets the key, and all that is said. */
export const MODEL_BASE_URL = declareSetting<string>({
  key: 'model.base_url',
  description: "Your own model server, which speaks the OpenAI API; the platform's when empty.",
  copied: false,
  type: 'string',
  rules: [Satisfies('isBaseUrl', (value) => value === '' || (typeof value === 'string' && isBaseUrl(value)))],
  allowed: 'an http or https URL such as "https://api.example.com/v1"',
  default: '',
  changedBy: 'owner',
});

export const MODEL_API_KEY = declareSecret({
  key: 'model.api_key',
  description: 'Your key for the model server.',
  sentTo: [MODEL_BASE_URL],
  rules: [Matches(/^[\x21-\x7e]{1,1000}$/)],
  allowed: 'a key of at most 1000 characters without spaces',
  changedBy: 'owner',
});

function isBaseUrl(text: string): boolean {
  if (text.length > 300 || !URL.canParse(text)) return false;
  const { protocol, username, password, search, hash } = new URL(text);
  return /^https?:$/.test(protocol) && [username, password, search, hash].every((part) => part === '');
}

export const CHAT_ENCRYPTED = declareSetting<boolean>({
  key: 'chat.encrypted',
  description:
    'Whether new messages of chats are stored encrypted with the key of the tenant. Those there are stay as they are.',
  type: 'boolean',
  rules: [IsBoolean()],
  allowed: 'true or false',
  default: false,
  changedBy: 'owner',
  byPlan: true,
});

export const CHAT_PER_10S = declareSetting<number | undefined>({
  key: 'limits.chat_per_10s',
  description: 'Chat messages in 10 seconds, of all users and visitors together.',
  type: 'integer',
  rules: [Min(1), Max(1_000_000)],
  allowed: 'an integer from 1 to 1,000,000',
  default: undefined,
  changedBy: 'platform',
  byPlan: true,
});

declareLimit({ name: 'chat', setting: CHAT_PER_10S, windowSeconds: 10 });
