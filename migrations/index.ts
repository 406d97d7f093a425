import type { MigrationSet } from '../src/database/index.js';
import { CreateRegistry1763600000000 } from './platform/1763600000000-create-registry.js';
import { CreateChat1763600000001 } from './tenant/1763600000001-create-chat.js';

/** Every migration, oldest first. A test compares this list with the folders. */
export const MIGRATIONS: MigrationSet[] = [
  { schema: 'platform', migrations: [CreateRegistry1763600000000] },
  { schema: 'shared', migrations: [CreateChat1763600000001] },
];
