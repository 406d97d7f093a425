import { randomBytes } from 'node:crypto';
import pg from 'pg';
import { KeyRing, seal, unseal } from '../common/index.js';
import { DatabaseSetupError } from './database.errors.js';
import { withConnection } from './with-connection.js';

const ROOT_BYTES = 32;
const NOTE = /^tenantry root key((?: [0-9a-f]{16}:[\w-]+)+)$/;
const LOCK = 'SELECT pg_advisory_xact_lock(hashtext($1))';
const HOLD = 'SELECT pg_advisory_lock(hashtext($1))';
const FIND = `SELECT (SELECT obj_description(c.oid, 'pg_class') FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                       WHERE n.nspname = 'platform' AND c.relname = 'installation') AS recorded,
                     shobj_description(r.oid, 'pg_authid') AS staged, r.oid IS NOT NULL AS begun
                FROM (SELECT 1) AS one LEFT JOIN pg_roles r ON r.rolname = $1`;

/** The root key as one master key keeps it. */
export interface RootCopy {
  /** Fingerprint of the master key that it is wrapped by. */
  keyId: string;
  wrapped: Buffer;
}

/** What this process was given: MASTER_KEY, and while it is being replaced the one before it. */
export interface MasterKeys {
  current: string;
  previous: string | undefined;
}

export interface Root {
  keys: KeyRing;
  /** What is to be kept of it in the database, once there is a place for it. */
  copies: RootCopy[];
  /** To be kept on a role until then, as that is all there is; undefined when it is kept already. */
  staged: string | undefined;
}

/** Tells one master key from another without revealing it. */
export function masterKeyId(masterKey: string): string {
  return new KeyRing(masterKey).fingerprint();
}

/**
 * Finds the root key, from which all keys of an installation derive, and opens it with a master key.
 *
 * It has to be found before any role can log in, since their passwords derive from it. A comment is what everybody who
 * may enter a database can read: that on `platform.installation`, or on the migrator's role before there is a table.
 *
 * @param client of the user who sets up; holds a lock until it ends when this is the first start
 * @throws DatabaseSetupError when neither master key opens it
 */
export async function findRoot(client: pg.Client, installation: string, masters: MasterKeys): Promise<Root> {
  let found = await findNotes(client, installation);
  if (found.recorded === null && !found.begun) {
    // Of several that are the first at once, one makes the key.
    await client.query(HOLD, [`tenantry:root:${installation}`]);
    found = await findNotes(client, installation);
  }
  const copies = readNote(found.recorded ?? '') ?? readNote(found.staged ?? '');
  if (copies) {
    if (found.recorded !== null && found.staged !== null) await forgetStaged(client, installation);
    return { keys: openRoot(installation, copies, masters), copies, staged: undefined };
  }
  // Set up before there were root keys: then all derived from MASTER_KEY, and goes on to.
  const root = found.begun ? Buffer.from(masters.current, 'utf8') : randomBytes(ROOT_BYTES);
  const made = [wrapRoot(installation, root, masters.current)];
  return { keys: new KeyRing(root), copies: made, staged: found.begun ? undefined : noteOf(made) };
}

interface Notes {
  recorded: string | null;
  staged: string | null;
  /** Whether the installation has roles, and so passwords that derive from a root key. */
  begun: boolean;
}

async function findNotes(client: pg.ClientBase, installation: string): Promise<Notes> {
  return (await client.query<Notes>(FIND, [`${installation}_migrator`])).rows[0]!;
}

/** @throws DatabaseSetupError when neither master key opens one of the copies */
export function openRoot(installation: string, copies: RootCopy[], masters: MasterKeys): KeyRing {
  return new KeyRing(unwrapRoot(installation, copies, masters));
}

function unwrapRoot(installation: string, copies: RootCopy[], { current, previous }: MasterKeys): Buffer {
  for (const master of previous === undefined ? [current] : [current, previous]) {
    const keyId = masterKeyId(master);
    const copy = copies.find((one) => one.keyId === keyId);
    if (!copy) continue;
    try {
      return unseal(wrappingKey(master), copy.wrapped, about(installation));
    } catch (error) {
      throw new DatabaseSetupError(
        `The root key that master key ${keyId} keeps was changed.`,
        'Restore the comment on the table platform.installation from a dump of this database; nothing was changed.',
        { cause: error },
      );
    }
  }
  const known = copies.map(({ keyId }) => keyId).join(', ');
  throw new DatabaseSetupError(
    `MASTER_KEY is not the one of this installation: its id is ${masterKeyId(current)}, and accepted is ${known}.`,
    'Restore the MASTER_KEY (or DATA_DIR/master.key) that is accepted and start again; to replace it, give that as ' +
      'MASTER_KEY_PREVIOUS (see docs/recovery.md). Nothing was changed.',
  );
}

/** @returns undefined when the text is no note of a root key */
export function readNote(text: string): RootCopy[] | undefined {
  const [, copies] = NOTE.exec(text) ?? [];
  return copies
    ?.trim()
    .split(' ')
    .map((copy) => {
      const [keyId, wrapped] = copy.split(':');
      return { keyId: keyId!, wrapped: Buffer.from(wrapped!, 'base64url') };
    });
}

function noteOf(copies: RootCopy[]): string {
  return `tenantry root key ${copies.map(({ keyId, wrapped }) => `${keyId}:${wrapped.toString('base64url')}`).join(' ')}`;
}

function wrapRoot(installation: string, root: Buffer, master: string): RootCopy {
  return { keyId: masterKeyId(master), wrapped: seal(wrappingKey(master), root, about(installation)) };
}

function wrappingKey(master: string): Buffer {
  return new KeyRing(master).derive('root-key');
}

function about(installation: string): string {
  return `root-key:${installation}`;
}

/** @param url the migrator's, who owns what the copies are kept on */
export async function recordRoot(url: string, installation: string, copies: RootCopy[]): Promise<void> {
  await change(url, installation, (recorded) => (recorded.length === 0 ? copies : recorded));
}

/**
 * Lets another master key open the root key, beside those that do. May be repeated, also by several at once.
 *
 * @returns ids of all that open it now
 * @throws DatabaseSetupError when neither of `masters` does
 */
export function acceptMasterKey(url: string, installation: string, masters: MasterKeys): Promise<string[]> {
  return change(url, installation, (recorded) => {
    const root = unwrapRoot(installation, recorded, masters);
    const copy = wrapRoot(installation, root, masters.current);
    return recorded.some(({ keyId }) => keyId === copy.keyId) ? recorded : [...recorded, copy];
  });
}

/**
 * Lets no master key but one open the root key from now on.
 *
 * @returns ids of those that no longer do
 * @throws DatabaseSetupError when that one does not open it
 */
export async function retireMasterKeys(url: string, installation: string, current: string): Promise<string[]> {
  let retired: string[] = [];
  await change(url, installation, (recorded) => {
    unwrapRoot(installation, recorded, { current, previous: undefined });
    const kept = recorded.filter(({ keyId }) => keyId === masterKeyId(current));
    retired = recorded.filter((copy) => !kept.includes(copy)).map(({ keyId }) => keyId);
    return kept;
  });
  return retired;
}

/** @returns ids of the master keys that open the root key */
export function acceptedMasterKeys(url: string, installation: string): Promise<string[]> {
  return change(url, installation, (recorded) => recorded);
}

async function change(
  url: string,
  installation: string,
  next: (recorded: RootCopy[]) => RootCopy[],
): Promise<string[]> {
  return withConnection(url, async (client) => {
    await client.query('BEGIN');
    // Writers of the catalogue do not wait for each other: the second would fail.
    await client.query(LOCK, [`tenantry:root-copies:${installation}`]);
    const recorded = readNote((await findNotes(client, installation)).recorded ?? '') ?? [];
    const copies = next(recorded);
    if (noteOf(copies) !== noteOf(recorded)) {
      await client.query(`COMMENT ON TABLE platform.installation IS ${pg.escapeLiteral(noteOf(copies))}`);
    }
    await client.query('COMMIT');
    return copies.map(({ keyId }) => keyId);
  });
}

/** What only the first start needed: a master key that is retired later must not be left a copy. */
async function forgetStaged(client: pg.Client, installation: string): Promise<void> {
  try {
    await client.query(unstageSql(installation));
  } catch {
    // Another start does it, or the user may not; then whoever retires a key is told.
  }
}

/** The SQL that removes what the first start left on a role. */
export function unstageSql(installation: string): string {
  return `COMMENT ON ROLE ${pg.escapeIdentifier(`${installation}_migrator`)} IS NULL`;
}

/** Whether what the first start left on a role is still there. */
export function isStaged(url: string, installation: string): Promise<boolean> {
  return withConnection(url, async (client) => (await findNotes(client, installation)).staged !== null);
}
