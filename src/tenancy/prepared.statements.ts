import { createHash } from 'node:crypto';

/** Statements that a connection keeps. A plan takes some ten kilobytes of its backend. */
const KEPT = 100;
const NAMES = 1000;

/** What a flight does about a statement's preparation, before it is bound. */
export interface Preparation {
  readonly name: string;
  /** The server must parse it under its name first. */
  readonly parse: boolean;
  /** Names that the server is to forget before that. */
  readonly close: readonly string[];
}

/** Not kept by the server: parsed and planned for this once. */
export const UNPREPARED: Preparation = { name: '', parse: true, close: [] };

/**
 * Why a preparation was of no use: made on another connection of the server, as happens behind a pooler; or outdated by a
 * change of the tables.
 */
export type Loss = 'elsewhere' | 'outdated';

const names = new Map<string, string>();

/**
 * The statements that one connection has parsed and planned under a name, so that a hot one costs neither again. The least
 * recently used make room.
 *
 * A name is the hash of its text: whatever stands between us and the server, a name can never mean another statement.
 */
export class PreparedStatements {
  // In the order of their use. False: it may or may not be there, because the flight that parsed it failed.
  private readonly kept = new Map<string, boolean>();
  /** Whether somebody between us and the server gives us one connection of its now, and another then. */
  misled = false;

  /**
   * How to send `text` now. Afterwards `succeeded` or `failed` has to be called.
   *
   * @param schema in which its tables are to be found, when the same text is sent to several
   */
  use(text: string, schema?: string): Preparation {
    const name = nameOf(schema === undefined ? text : `${schema} ${text}`);
    const there = this.kept.get(name);
    this.kept.delete(name);
    const close = there === false ? [name] : [];
    if (there === undefined && this.kept.size >= KEPT) {
      const oldest = this.kept.keys().next().value!;
      this.kept.delete(oldest);
      close.push(oldest);
    }
    this.kept.set(name, there ?? false);
    return { name, parse: there !== true, close };
  }

  succeeded({ name }: Preparation): void {
    if (this.kept.has(name)) this.kept.set(name, true);
  }

  /** @param loss when it failed for its preparation */
  failed({ name, parse }: Preparation, loss: Loss | undefined): void {
    if ((parse || loss) && this.kept.has(name)) this.kept.set(name, false);
    if (loss === 'elsewhere') this.misled = true;
  }
}

function nameOf(text: string): string {
  let name = names.get(text);
  if (name === undefined) {
    name = `tenantry_${createHash('sha256').update(text).digest('hex').slice(0, 32)}`;
    if (names.size >= NAMES) names.clear();
    names.set(text, name);
  }
  return name;
}
