import { declareLimit } from '../limits/index.js';
import { declareSetting } from '../settings/index.js';

const isText =
  (max: number) =>
  (value: unknown): value is string =>
    typeof value === 'string' && value.length <= max;

export const MODEL = declareSetting<string>({
  key: 'model',
  default: 'mock',
  allowed: 'a model name of at most 200 characters',
  accepts: isText(200),
});

export const CHAT_PER_10S = declareSetting<number | undefined>({
  key: 'limits.chat_per_10s',
  default: undefined,
  allowed: 'an integer from 1 to 1,000,000',
  accepts: (value): value is number =>
    typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 1_000_000,
});

declareLimit({ name: 'chat', setting: CHAT_PER_10S, windowSeconds: 10 });
