import pg from 'pg';
import { HISTORY } from '../../database/index.js';
import { nameIn } from './history.statements.js';

interface Definition {
  kind: 'reference' | 'constraint' | 'index';
  table: string;
  name: string;
  definition: string;
}

/** Foreign keys first: they lead to what else is unique. */
const FOUND = `SELECT * FROM (
  SELECT CASE contype WHEN 'f' THEN 'reference' ELSE 'constraint' END AS kind, c.relname AS table, k.conname AS name,
         pg_get_constraintdef(k.oid) AS definition
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
   WHERE c.relnamespace = to_regnamespace($1) AND c.relrowsecurity AND k.contype IN ('f', 'u', 'x')
  UNION ALL
  SELECT 'index', c.relname, i.relname, pg_get_indexdef(i.oid)
    FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid JOIN pg_class c ON c.oid = x.indrelid
   WHERE c.relnamespace = to_regnamespace($1) AND c.relrowsecurity AND x.indisunique
     AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x'))) found
  ORDER BY kind = 'reference' DESC, "table", name`;
/** What is off is written on a table of the place, in the same transaction: whoever was to put it back may have died. */
const TAKEN_OFF = `SELECT obj_description(to_regclass($1), 'pg_class') AS noted`;
const MARK = 'taken off: ';
const SCOPE = `SELECT set_config('app.tenant_id', $1, false)`;

/**
 * A place in which rows may for a while refer to what is not there, and share what is unique. On the way from one state to
 * another there is no order in which any two of them never would: values go round, and a parent takes the children along
 * that are about to get another.
 */
export class LoosePlace {
  private constructor(
    private readonly schema: string,
    private readonly definitions: Definition[],
  ) {}

  /**
   * One that is loose already is so with what was taken off then.
   *
   * @param client the migrator's, with the schema not in its search path: only so definitions name it
   */
  static async of(client: pg.ClientBase, schema: string): Promise<LoosePlace> {
    const { rows } = await client.query<Definition>(FOUND, [pg.escapeIdentifier(schema)]);
    const before = await takenOff(client, schema);
    const known = new Set(rows.map(({ name }) => name));
    const definitions = [...rows, ...before.filter(({ name }) => !known.has(name))].toSorted(referencesFirst);
    const place = new LoosePlace(schema, definitions);
    const note = pg.escapeLiteral(MARK + JSON.stringify(definitions));
    await place.together(client, [
      ...rows.map((found) => place.drop(found)),
      `COMMENT ON TABLE ${nameIn(schema, HISTORY)} IS ${note}`,
    ]);
    return place;
  }

  /**
   * Everything is as it was, and all rows are checked.
   *
   * @param tenantId whose rows they are: the owner of the tables sees those of nobody else, and else would check none
   * @throws when rows break a rule
   */
  async tighten(client: pg.ClientBase, tenantId: string): Promise<void> {
    await client.query(SCOPE, [tenantId]);
    await this.together(client, [
      ...this.definitions.toReversed().map((found) => this.add(found)),
      `COMMENT ON TABLE ${nameIn(this.schema, HISTORY)} IS NULL`,
    ]);
  }

  private drop({ kind, table, name }: Definition): string {
    if (kind === 'index') return `DROP INDEX ${nameIn(this.schema, name)}`;
    return `ALTER TABLE ${nameIn(this.schema, table)} DROP CONSTRAINT ${pg.escapeIdentifier(name)}`;
  }

  private add({ kind, table, name, definition }: Definition): string {
    if (kind === 'index') return definition;
    return `ALTER TABLE ${nameIn(this.schema, table)} ADD CONSTRAINT ${pg.escapeIdentifier(name)} ${definition}`;
  }

  private async together(client: pg.ClientBase, statements: string[]): Promise<void> {
    await client.query('BEGIN');
    try {
      for (const statement of statements) await client.query(statement);
      await client.query('COMMIT');
    } catch (error) {
      await client.query('ROLLBACK').catch(() => undefined);
      throw error;
    }
  }
}

async function takenOff(client: pg.ClientBase, schema: string): Promise<Definition[]> {
  const { rows } = await client.query<{ noted: string | null }>(TAKEN_OFF, [nameIn(schema, HISTORY)]);
  const noted = rows[0]?.noted;
  return noted?.startsWith(MARK) ? (JSON.parse(noted.slice(MARK.length)) as Definition[]) : [];
}

function referencesFirst(a: Definition, b: Definition): number {
  return Number(b.kind === 'reference') - Number(a.kind === 'reference');
}
