import { MaxLength } from 'class-validator';
import { declareSetting } from '../settings/index.js';

/** What a visitor is greeted with. */
export const WELCOME = declareSetting<string>({
  key: 'welcome',
  description: 'What a visitor is greeted with.',
  type: 'string',
  rules: [MaxLength(2000)],
  allowed: 'a text of at most 2,000 characters',
  default: '',
  changedBy: 'admin',
});
