import pg from 'pg';
import { HISTORY } from '../../database/index.js';
import type { ArchiveRules } from '../archive/archive.rules.js';
import type { MovePlace } from '../moves/move.place.js';
import { movedTables, type MovedTable } from '../moves/moved.tables.js';
import type { ComparedTable, Opener } from './row.differences.js';

export interface RestoredTables {
  /** Of which a restore makes what the backup has. */
  rewound: ComparedTable[];
  /** Whose rows stay as they are now. */
  staying: MovedTable[];
  /** Credentials that come back unless they are gone by now. */
  credentials: MovedTable[];
}

/**
 * What a restore does with the tables of a tenant; each after those it refers to.
 *
 * @throws CopyUnfit when they are not the same at both places
 */
export async function restoredTables(
  source: MovePlace,
  target: MovePlace,
  rules: ArchiveRules,
): Promise<RestoredTables> {
  const tables: RestoredTables = { rewound: [], staying: [], credentials: [] };
  for (const table of await movedTables(source, target)) {
    // What was kept of the past stays behind: it leads to what is given up, and begins anew.
    if (table.name === HISTORY) continue;
    const { leftOut, restored, credentials, secrets = {} } = rules.of(table.name);
    if (leftOut !== undefined || restored === 'stay') {
      tables.staying.push(table);
      continue;
    }
    const sealed = new Map<string, Opener>();
    for (const [column, secret] of Object.entries(secrets)) {
      if (secret.kind !== 'sealed') continue;
      const open: Opener = (id, value) =>
        secret.open(source.tenantId, id, Buffer.from(value.slice(2), 'hex')).toString('hex');
      sealed.set(pg.escapeIdentifier(column), open);
    }
    tables.rewound.push({ ...table, sealed });
    if (credentials) tables.credentials.push(table);
  }
  return tables;
}
