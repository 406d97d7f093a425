import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { newId } from '../../src/common/index.js';
import { makeLogin } from '../../src/database/index.js';
import { ConnectionsExhausted, type Tenant, TenantRunner, TenantTransaction } from '../../src/tenancy/index.js';
import { placementOf } from '../../src/tenant/index.js';
import { PlaceKit } from '../kit/place-kit.js';
import { runSql } from '../kit/scratch-server.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { withDatabase } from '../kit/test-env.js';

const TENANTS = 200;
const CONNECTIONS = 20;
/** Of these, those to the shared tables. */
const SHARED = 5;
const MINUTES = 3 * 60_000;

interface Guest {
  tenant: Tenant;
  /** Its database, which has the name of its login role. */
  place: string;
}

let t: TestApp;
let guests: Guest[];
/** The database that theirs are copies of. */
let pattern: string;
beforeAll(async () => {
  t = await createTestApp({ DB_MAX_CONNECTIONS: String(CONNECTIONS), DATABASE_POOL_SIZE: String(SHARED), ROLE: 'api' });
  const kit = await PlaceKit.open(t.database.prepared);
  ({ name: pattern } = await kit.make('database'));
  await kit.close();
  const ids = Array.from({ length: TENANTS }, () => newId());
  // Each database has a row of every tenant: whoever comes to another's, or past row security, sees what is not theirs.
  await runSql(
    withDatabase(t.database.adminUrl, pattern),
    `INSERT INTO shared.chat_sessions (tenant_id, id, token_hash) SELECT id, id, '' FROM unnest($1::uuid[]) AS id`,
    [ids],
  );
  const numbered = ids.map((id, index) => ({ id, place: `${pattern}_${index}` }));
  guests = [];
  // Four at a time: making databases takes turns at their catalogue anyway.
  const left = [...numbered];
  await Promise.all(
    Array.from({ length: 4 }, async () => {
      for (let next = left.pop(); next; next = left.pop()) guests.push(await settle(next));
    }),
  );
}, MINUTES);
afterAll(() => t.close(), MINUTES);

/** A database of its own for a tenant, as a copy of one at head: making each by migrations would take minutes. */
async function settle({ id, place }: { id: string; place: string }): Promise<Guest> {
  const { prepared, adminUrl } = t.database;
  const { roles, keys } = prepared;
  await makeLogin({ address: prepared, roles, keys }, place, 'shared', false);
  await t.database.admin(`CREATE DATABASE ${place} TEMPLATE ${pattern} STRATEGY FILE_COPY`);
  await runSql(
    withDatabase(adminUrl, place),
    `REVOKE CONNECT ON DATABASE ${place} FROM PUBLIC; GRANT CONNECT ON DATABASE ${place} TO ${place};
     ${grantsOf(pattern, place)};
     UPDATE shared.chat_sessions SET token_hash = convert_to(current_database(), 'UTF8')`,
  );
  const placement = placementOf({ server: 'default', kind: 'database', name: place, login: place });
  await t.database.admin(
    `WITH tenant AS (INSERT INTO platform.tenants (id, slug, name, plan, status, placement)
       VALUES ($1::uuid, $2, $2, 'free', 'active', $3) RETURNING id)
     INSERT INTO platform.places (server, name, kind, login, tenant_id, state, version, migrated_at)
       SELECT 'default', $4, 'database', $4, tenant.id, 'used', p.version, now()
         FROM tenant, platform.places p WHERE p.name = $5`,
    [id, `burst-${place.split('_').at(-1)}`, placement, place, pattern],
  );
  return { tenant: await t.tenant(`burst-${place.split('_').at(-1)}`), place };
}

/** SQL that gives a role in this database what another has. */
function grantsOf(from: string, to: string): string {
  return `DO $$ DECLARE statement text; BEGIN
    FOR statement IN
      SELECT format('GRANT %s ON %s TO ${to}', a.privilege_type, c.oid::regclass)
        FROM pg_class c, aclexplode(c.relacl) a WHERE a.grantee = '${from}'::regrole
      UNION ALL SELECT format('GRANT %s ON SCHEMA %I TO ${to}', a.privilege_type, n.nspname)
        FROM pg_namespace n, aclexplode(n.nspacl) a WHERE a.grantee = '${from}'::regrole
    LOOP EXECUTE statement; END LOOP;
  END $$`;
}

/** Counts the connections for the work of tenants, as the server sees them, until it is stopped. */
async function countConnections(): Promise<
  () => Promise<{ most: number; own: number; looks: number; places: number }>
> {
  const client = new pg.Client({ connectionString: t.database.adminUrl });
  await client.connect();
  const role = t.database.prepared.roles.name('tenant');
  const names = guests.map(({ place }) => place);
  const seen = new Set<string>();
  const outcome = { most: 0, own: 0, looks: 0, places: 0 };
  let stopped = false;
  const watching = (async () => {
    while (!stopped) {
      const { rows } = await client.query<{ datname: string }>(
        `SELECT datname FROM pg_stat_activity
          WHERE usename = ANY ($1) OR usename = $2 AND datname = current_database()`,
        [names, role],
      );
      outcome.most = Math.max(outcome.most, rows.length);
      outcome.own = Math.max(outcome.own, rows.filter(({ datname }) => datname.startsWith(pattern)).length);
      outcome.looks += 1;
      for (const { datname } of rows) seen.add(datname);
    }
  })();
  return async () => {
    stopped = true;
    await watching;
    await client.end();
    return { ...outcome, places: seen.size };
  };
}

describe('a burst over 200 tenants with databases of their own, and 20 connections', { timeout: MINUTES }, () => {
  const work = ({ tenant, place }: Guest, round: number) =>
    t.app.get(TenantRunner).run(tenant, () =>
      t.app.get(TenantTransaction).run(async () => {
        const transaction = t.app.get(TenantTransaction);
        const seen = `SELECT tenant_id, split_part(convert_from(token_hash, 'UTF8'), ' ', 1) AS place, current_database() AS here
          FROM chat_sessions`;
        const own = { tenant_id: tenant.id, place, here: place };
        expect(await transaction.query(seen)).toEqual(Array(1 + round).fill(own));
        await transaction.query(
          `INSERT INTO chat_sessions (tenant_id, id, token_hash) VALUES ($1, $2, convert_to($3, 'UTF8'))`,
          [tenant.id, newId(), `${place} ${round}`],
        );
        expect(await transaction.query(seen)).toEqual(Array(2 + round).fill(own));
      }),
    );

  /** Who waited for too long is told to come again, and does. */
  const patiently = async (ask: () => Promise<void>): Promise<void> => {
    for (;;) {
      try {
        return await ask();
      } catch (error) {
        if (!(error instanceof ConnectionsExhausted)) throw error;
      }
    }
  };
  /** Somebody in the shared tables, meanwhile. */
  const besides = async () => {
    const acme = await t.tenant('acme');
    const read = () => t.app.get(TenantTransaction).query('SELECT tenant_id FROM chat_sessions');
    for (let n = 0; n < 50; n += 1) expect(await t.app.get(TenantRunner).run(acme, read)).toEqual([]);
  };

  it('serves every one of them with its own rows alone, and never has more', async () => {
    const counted = await countConnections();
    for (let round = 0; round < 2; round += 1) {
      const outcomes = await Promise.allSettled([
        ...guests.map((guest) => patiently(() => work(guest, round))),
        ...Array.from({ length: 10 }, besides),
      ]);
      const failures = outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => reason as Error);
      expect(failures).toEqual([]);
    }
    const { most, own, looks, places } = await counted();
    expect(most).toBeLessThanOrEqual(CONNECTIONS);
    expect(own).toBeLessThanOrEqual(CONNECTIONS - SHARED);
    expect(most).toBeGreaterThan(CONNECTIONS / 2);
    expect(looks).toBeGreaterThan(50);
    expect(places).toBeGreaterThan(TENANTS / 4);
  });
});
