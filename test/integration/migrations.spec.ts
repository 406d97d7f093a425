import { readdir, readFile } from 'node:fs/promises';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MIGRATIONS } from '../../migrations/index.js';
import { migrate, revertAll } from '../../src/database/migrator.js';
import { snapshotCatalog } from '../../src/database/catalog.js';
import { createInstallation, type Installation } from './installation.js';

let installation: Installation;
beforeAll(async () => {
  installation = await createInstallation();
});
afterAll(() => installation.drop());

async function snapshot(of: Installation): Promise<string> {
  const client = new pg.Client({ connectionString: of.env.databaseUrl });
  await client.connect();
  try {
    return await snapshotCatalog(client, of.prepared.roles.installation);
  } finally {
    await client.end();
  }
}

describe('migrations', () => {
  it('run as a role that is no superuser and may bypass nothing', async () => {
    const client = new pg.Client({ connectionString: installation.prepared.url('migrator', true) });
    await client.connect();
    const { rows } = await client.query(
      `SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = current_user`,
    );
    await client.end();
    expect(rows).toEqual([{ rolsuper: false, rolbypassrls: false, rolcreaterole: false, rolcreatedb: false }]);
    const owners = await installation.admin<{ owner: string }>(
      `SELECT DISTINCT pg_get_userbyid(relowner) AS owner FROM pg_class
        WHERE relnamespace IN ('shared'::regnamespace, 'platform'::regnamespace)`,
    );
    expect(owners).toEqual([{ owner: installation.prepared.roles.name('migrator') }]);
  });

  it('give each plan the requests per hour that it is sold with', async () => {
    const plans = await installation.admin<{ name: string; quota: number | null }>(
      `SELECT name, (settings->>'limits.requests_per_hour')::int AS quota FROM platform.plans`,
    );
    expect(Object.fromEntries(plans.map(({ name, quota }) => [name, quota]))).toEqual({
      free: 100,
      basic: 1000,
      pro: 5000,
      premium: 10_000,
      enterprise: 100_000,
      unlimited: null,
    });
  });

  it('lead to the same schema on a fresh database and after going all the way down and up', async () => {
    const url = installation.prepared.url('migrator', true);
    const fresh = await snapshot(installation);
    expect(fresh).toContain('shared.chat_messages');
    await revertAll(url, MIGRATIONS);
    const empty = await snapshot(installation);
    expect(empty).not.toContain('chat_messages');
    expect(empty).not.toContain('tenants');
    const ran = await migrate(url, installation.prepared.roles.installation, MIGRATIONS);
    expect(ran).toHaveLength(MIGRATIONS.flatMap((set) => set.migrations).length);
    expect(await snapshot(installation)).toBe(fresh);
  });

  it('lead to the same schema in two installations, whatever their roles are called', async () => {
    const other = await createInstallation();
    try {
      expect(other.prepared.roles.installation).not.toBe(installation.prepared.roles.installation);
      expect(await snapshot(other)).toBe(await snapshot(installation));
    } finally {
      await other.drop();
    }
  });

  it('have nothing to do at head, even when four processes ask at once', async () => {
    const { prepared } = installation;
    const all = Array.from({ length: 4 }, () =>
      migrate(prepared.url('migrator', true), prepared.roles.installation, MIGRATIONS),
    );
    expect(await Promise.all(all)).toEqual([[], [], [], []]);
  });

  it.each([
    ['platform', 'platform'],
    ['tenant', 'shared'],
  ])('in migrations/%s are each listed, oldest first', async (folder, schema) => {
    const root = new URL(`../../migrations/${folder}/`, import.meta.url);
    const files = (await readdir(root)).filter((file) => file.endsWith('.ts')).sort();
    const classes = await Promise.all(
      files.map(async (file) => {
        expect(file).toMatch(/^\d{13}-[a-z]+(-[a-z0-9]+)+\.ts$/);
        const name = /export class (\w+)/.exec(await readFile(new URL(file, root), 'utf8'))?.[1];
        expect(name).toContain(file.slice(0, 13));
        return name;
      }),
    );
    const listed = MIGRATIONS.filter((set) => set.schema === schema).flatMap((set) => set.migrations);
    expect(listed.map((migration) => migration.name)).toEqual(classes);
  });
});
