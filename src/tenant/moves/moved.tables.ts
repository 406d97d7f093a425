import pg from 'pg';
import { HISTORY } from '../../database/index.js';
import { CopyUnfit } from './move.errors.js';
import type { MovePlace } from './move.place.js';

/** A table of tenants' rows, as both ends have it. */
export interface MovedTable {
  name: string;
  /** What can be written of a row, quoted. */
  columns: string[];
  /** Whether rows ever change. */
  changes: boolean;
}

interface Shape extends MovedTable {
  /** Names and types of all columns in their order. */
  shape: string;
}

const SHAPES = `SELECT c.relname AS name, has_table_privilege(c.oid, 'UPDATE') AS changes,
    string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod), ', ' ORDER BY a.attnum) AS shape,
    json_agg(a.attname ORDER BY a.attnum) FILTER (WHERE a.attgenerated = '') AS columns
  FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
 WHERE c.relnamespace = to_regnamespace($1) AND c.relname = ANY ($2) GROUP BY c.oid, c.relname`;

/**
 * The tables of a move, each after those it refers to: those of what a tenant has, and what is kept of their past.
 *
 * @throws CopyUnfit when they are not the same at both ends
 */
export async function movedTables(source: MovePlace, target: MovePlace): Promise<MovedTable[]> {
  const [here, there] = await Promise.all([shapesOf(source), shapesOf(target)]);
  const different = [...here.keys(), ...there.keys()].find((name) => here.get(name)?.shape !== there.get(name)?.shape);
  if (different !== undefined) throw new CopyUnfit(`the table ${different} is not the same at both ends`);
  return [...here.values()];
}

async function shapesOf(place: MovePlace): Promise<Map<string, Shape>> {
  const { client, schema } = place;
  const names = [...(await place.tables()), HISTORY];
  const { rows } = await client.query<Shape>(SHAPES, [pg.escapeIdentifier(schema), names]);
  const known = new Map(rows.map((row) => [row.name, row]));
  const ordered = names.flatMap((name) => known.get(name) ?? []);
  return new Map(ordered.map((row) => [row.name, { ...row, columns: row.columns.map((c) => pg.escapeIdentifier(c)) }]));
}
