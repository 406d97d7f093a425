import { IsBoolean, Max, MaxLength, Min } from 'class-validator';
import { declareLimit } from '../limits/index.js';
import { declareSetting } from '../settings/index.js';

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
