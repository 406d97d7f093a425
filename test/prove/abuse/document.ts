import { readFileSync } from 'node:fs';
import type { ApiDocument } from './operations.js';

/** The document that is committed, which `npm run check` compares with what the application says. */
export const committed = (): ApiDocument =>
  JSON.parse(readFileSync('docs/generated/openapi.json', 'utf8')) as ApiDocument;
