import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createApplication } from '../../src/application.js';
import { MAINTENANCE_POLICY, TENANT_POLICY, TENANT_PREDICATE, UnsafeDatabase } from '../../src/tenancy/index.js';
import { createInstallation, type Installation } from './installation.js';

let installation: Installation;
beforeAll(async () => {
  installation = await createInstallation();
});
afterAll(() => installation.drop());

const boot = async () => {
  const { env, prepared } = installation;
  const app = await createApplication(env, prepared, pino({ level: 'silent' }));
  await app.close();
};

/** Spoils, boots, mends, and returns what the boot complained of. */
async function problemsAfter(spoil: string, mend: string): Promise<string[]> {
  const named = (sql: string) => sql.replaceAll(/<(\w+)>/g, (_, kind) => installation.prepared.roles.name(kind));
  await installation.admin(named(spoil));
  try {
    const error: unknown = await boot().then(
      () => undefined,
      (reason: unknown) => reason,
    );
    expect(error).toBeInstanceOf(UnsafeDatabase);
    return (error as UnsafeDatabase).problems;
  } finally {
    await installation.admin(named(mend));
  }
}

const policy = (using: string, check = using) =>
  `CREATE POLICY ${TENANT_POLICY} ON shared.chat_messages USING (${using}) WITH CHECK (${check})`;
const DROP_POLICY = `DROP POLICY ${TENANT_POLICY} ON shared.chat_messages`;
const maintenance = (kind = '') =>
  `CREATE POLICY ${MAINTENANCE_POLICY} ON shared.chat_messages ${kind} TO <maintenance> USING (true) WITH CHECK (true)`;
const DROP_MAINTENANCE = `DROP POLICY ${MAINTENANCE_POLICY} ON shared.chat_messages`;
const SOUND_POLICY = `${DROP_POLICY}; ${policy(TENANT_PREDICATE)}`;

describe('the application', () => {
  it('boots on a sound installation', () => boot());

  it.each([
    ['is a superuser', 'ALTER ROLE <tenant> SUPERUSER', 'ALTER ROLE <tenant> NOSUPERUSER', /_tenant is a superuser/],
    ['has BYPASSRLS', 'ALTER ROLE <tenant> BYPASSRLS', 'ALTER ROLE <tenant> NOBYPASSRLS', /_tenant has BYPASSRLS/],
    ['may create roles', 'ALTER ROLE <tenant> CREATEROLE', 'ALTER ROLE <tenant> NOCREATEROLE', /_tenant may create/],
    ['may create databases', 'ALTER ROLE <tenant> CREATEDB', 'ALTER ROLE <tenant> NOCREATEDB', /_tenant may create/],
    [
      'owns a table',
      'CREATE TABLE public.theirs (); ALTER TABLE public.theirs OWNER TO <tenant>',
      'DROP TABLE public.theirs',
      /_tenant owns 1 tables/,
    ],
    [
      'is a member of another role',
      'GRANT <maintenance> TO <tenant>',
      'REVOKE <maintenance> FROM <tenant>',
      /_tenant is a member of another role/,
    ],
    [
      'may read platform.tenants',
      'GRANT SELECT ON platform.tenants TO <tenant>',
      'REVOKE SELECT ON platform.tenants FROM <tenant>',
      /tenant role may reach platform\.tenants/,
    ],
    [
      'may add a job of its own',
      'GRANT INSERT ON jobs.job_common TO <tenant>',
      'REVOKE INSERT ON jobs.job_common FROM <tenant>',
      /tenant role may reach jobs\.job_common/,
    ],
    [
      'may read one column of platform.tenants',
      'GRANT SELECT (slug) ON platform.tenants TO <tenant>',
      'REVOKE SELECT (slug) ON platform.tenants FROM <tenant>',
      /tenant role may reach platform\.tenants/,
    ],
    [
      'may read platform.tenants because everybody may',
      'GRANT DELETE ON platform.tenants TO PUBLIC',
      'REVOKE DELETE ON platform.tenants FROM PUBLIC',
      /tenant role may reach platform\.tenants/,
    ],
  ])('refuses to boot when the tenant role %s', async (_, spoil, mend, problem) => {
    expect(await problemsAfter(spoil, mend)).toContainEqual(expect.stringMatching(problem));
  });

  it.each([
    ['is a superuser', 'SUPERUSER', /_platform is a superuser/],
    ['has BYPASSRLS', 'BYPASSRLS', /_platform has BYPASSRLS/],
  ])('refuses to boot when the platform role %s', async (_, attribute, problem) => {
    const problems = await problemsAfter(`ALTER ROLE <platform> ${attribute}`, `ALTER ROLE <platform> NO${attribute}`);
    expect(problems).toEqual([expect.stringMatching(problem)]);
  });

  const table = 'ALTER TABLE shared.chat_messages';
  it.each([
    [
      'lacks row-level security',
      `${table} DISABLE ROW LEVEL SECURITY`,
      `${table} ENABLE ROW LEVEL SECURITY`,
      /chat_messages has no row-level security/,
    ],
    [
      'lacks FORCE',
      `${table} NO FORCE ROW LEVEL SECURITY`,
      `${table} FORCE ROW LEVEL SECURITY`,
      /chat_messages lacks FORCE/,
    ],
    ['lacks its policy', DROP_POLICY, policy(TENANT_PREDICATE), /chat_messages lacks the policy/],
    [
      'has a policy that lets all rows be read',
      `${DROP_POLICY}; ${policy('true', TENANT_PREDICATE)}`,
      SOUND_POLICY,
      /chat_messages lacks the policy .* or its text differs/,
    ],
    [
      'has a policy that lets all rows be written',
      `${DROP_POLICY}; ${policy(TENANT_PREDICATE, 'true')}`,
      SOUND_POLICY,
      /chat_messages lacks the policy .* or its text differs/,
    ],
    [
      'has a policy widened by an OR',
      `${DROP_POLICY}; ${policy(`${TENANT_PREDICATE} OR role = 'assistant'`)}`,
      SOUND_POLICY,
      /chat_messages lacks the policy .* or its text differs/,
    ],
    [
      'has a policy on another setting',
      `${DROP_POLICY}; ${policy(TENANT_PREDICATE.replace('app.', 'my.'))}`,
      SOUND_POLICY,
      /chat_messages lacks the policy .* or its text differs/,
    ],
    [
      'has one policy more',
      'CREATE POLICY extra ON shared.chat_messages USING (true)',
      'DROP POLICY extra ON shared.chat_messages',
      /chat_messages has a policy that is not ours: extra/,
    ],
    [
      'has the maintenance policy for the tenant role',
      `ALTER POLICY ${MAINTENANCE_POLICY} ON shared.chat_messages TO <tenant>`,
      `ALTER POLICY ${MAINTENANCE_POLICY} ON shared.chat_messages TO <maintenance>`,
      /chat_messages has a policy that is not ours: maintenance_/,
    ],
    [
      "has the maintenance policy for another installation's role",
      `CREATE ROLE other_maintenance; ALTER POLICY ${MAINTENANCE_POLICY} ON shared.chat_messages TO other_maintenance`,
      `ALTER POLICY ${MAINTENANCE_POLICY} ON shared.chat_messages TO <maintenance>; DROP ROLE other_maintenance`,
      /chat_messages has a policy that is not ours: maintenance_/,
    ],
    [
      'has a maintenance policy that restricts',
      `${DROP_MAINTENANCE}; ${maintenance('AS RESTRICTIVE')}`,
      `${DROP_MAINTENANCE}; ${maintenance()}`,
      /chat_messages has a policy that is not ours: maintenance_/,
    ],
    [
      'has a tenant policy that only restricts what another one admits',
      `${DROP_POLICY}; ${policy(TENANT_PREDICATE).replace('USING', 'AS RESTRICTIVE USING')}`,
      SOUND_POLICY,
      /chat_messages lacks the policy/,
    ],
    [
      'has the tenant policy for one role only',
      `ALTER POLICY ${TENANT_POLICY} ON shared.chat_messages TO <platform>`,
      `ALTER POLICY ${TENANT_POLICY} ON shared.chat_messages TO PUBLIC`,
      /chat_messages lacks the policy/,
    ],
    [
      'came without isolation',
      'CREATE TABLE shared.stray (id uuid)',
      'DROP TABLE shared.stray',
      /shared\.stray has no row-level security/,
    ],
  ])('refuses to boot when a shared table %s', async (_, spoil, mend, problem) => {
    const problems = await problemsAfter(spoil, mend);
    expect(problems).toContainEqual(expect.stringMatching(problem));
  });

  const rows = 'SELECT * FROM shared.chat_messages';
  it.each([
    [
      "a view that reads with its owner's rights",
      `CREATE VIEW shared.stray AS ${rows}`,
      'DROP VIEW shared.stray',
      /shared\.stray is a view without security_invoker/,
    ],
    [
      'a view whose security_invoker is off',
      `CREATE VIEW shared.stray WITH (security_invoker = off) AS ${rows}`,
      'DROP VIEW shared.stray',
      /shared\.stray is a view without security_invoker/,
    ],
    [
      'a materialised view',
      `CREATE MATERIALIZED VIEW shared.stray AS ${rows}`,
      'DROP MATERIALIZED VIEW shared.stray',
      /shared\.stray is a materialised view/,
    ],
    [
      'a foreign table',
      `CREATE FOREIGN DATA WRAPPER nowhere; CREATE SERVER nowhere FOREIGN DATA WRAPPER nowhere;
       CREATE FOREIGN TABLE shared.stray (id uuid) SERVER nowhere`,
      'DROP FOREIGN DATA WRAPPER nowhere CASCADE',
      /shared\.stray is a foreign table/,
    ],
  ])('refuses to boot when the shared schema has %s', async (_, spoil, mend, problem) => {
    expect(await problemsAfter(spoil, mend)).toEqual([expect.stringMatching(problem)]);
  });

  it.each(['', ' = on', ' = 1'])('boots with a view that has security_invoker%s', async (value) => {
    await installation.admin(`CREATE VIEW shared.theirs WITH (security_invoker${value}) AS ${rows}`);
    try {
      await boot();
    } finally {
      await installation.admin('DROP VIEW shared.theirs');
    }
  });

  it('leaves no connection behind when it refuses to boot', async () => {
    await problemsAfter('ALTER ROLE <tenant> BYPASSRLS', 'ALTER ROLE <tenant> NOBYPASSRLS');
    const connections = () =>
      installation.admin(`SELECT usename FROM pg_stat_activity
         WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'`);
    await expect.poll(connections, { timeout: 5000 }).toEqual([]);
  });

  it('names everything that is wrong at once, and boots again when all is mended', async () => {
    const problems = await problemsAfter(
      `ALTER ROLE <tenant> BYPASSRLS; ${table} NO FORCE ROW LEVEL SECURITY`,
      `ALTER ROLE <tenant> NOBYPASSRLS; ${table} FORCE ROW LEVEL SECURITY`,
    );
    expect(problems).toHaveLength(2);
    await boot();
  });
});
