// What migrating tenants in schemas of their own costs: with nothing to do, and with one column more in each.
import path from 'node:path';
import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { DataSource } from 'typeorm';
import { MIGRATIONS } from '../dist/migrations/index.js';
import { prepareDatabase } from '../dist/src/database/index.js';
import { PlaceBuilder, PlaceMigrations, PlaceStore, Servers } from '../dist/src/tenant/index.js';

export const MAX_NO_OP_MS = 2000;
export const MAX_ONE_COLUMN_MS = 30_000;
/** As the command line has it on two cores. */
const PARALLEL = 2;
const MAKERS = 4;
const RUNS = 3;

class AddBenchColumn1999999999999 {
  name = 'AddBenchColumn1999999999999';

  async up(runner) {
    await runner.query('ALTER TABLE chat_messages ADD COLUMN bench text');
  }

  async down(runner) {
    await runner.query('ALTER TABLE chat_messages DROP COLUMN bench');
  }
}

async function timed(work) {
  const started = performance.now();
  await work();
  return performance.now() - started;
}

const dist = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../dist');

/** The command as npm runs it, which keeps what was compiled beside the build. */
function command(env) {
  const cli = path.join(dist, 'src', 'cli.js');
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [cli, 'migrate'], {
      stdio: 'ignore',
      env: {
        PATH: process.env.PATH,
        NODE_ENV: 'development',
        NODE_COMPILE_CACHE: path.join(dist, '.compile-cache'),
        ...env,
      },
    });
    child.once('error', reject);
    child.once('exit', (code) => (code === 0 ? resolve() : reject(new Error(`migrate ended with ${code}`))));
  });
}

async function build(store, builder, schemas) {
  let left = schemas;
  const maker = async () => {
    while (left-- > 0) await builder.build(await store.plan({ kind: 'schema', server: 'default' }));
  };
  await Promise.all(Array.from({ length: MAKERS }, maker));
}

/** Makes spare schemas in a database that is prepared already. */
export async function makeSchemas({ env, schemas }) {
  const database = await prepareDatabase(env, MIGRATIONS);
  const url = database.url('platform');
  const platform = await new DataSource({ type: 'postgres', url, installExtensions: false, poolSize: 8 }).initialize();
  try {
    const store = new PlaceStore(platform, database);
    await build(store, new PlaceBuilder(database, new Servers(platform, database), store), schemas);
  } finally {
    await platform.destroy();
    await database.stop();
  }
}

/**
 * @param env as parsed, of an empty database; `variables` are what it was parsed from
 * @returns milliseconds per schema made, for the whole command with nothing to do, and for one column in all schemas
 */
export async function measureMigrations({ env, variables, schemas, say }) {
  const database = await prepareDatabase(env, MIGRATIONS);
  const url = database.url('platform');
  const platform = await new DataSource({ type: 'postgres', url, installExtensions: false, poolSize: 8 }).initialize();
  try {
    const servers = new Servers(platform, database);
    const store = new PlaceStore(platform, database);
    const builder = new PlaceBuilder(database, servers, store);
    const made = await timed(() => build(store, builder, schemas));
    say(`${schemas} schemas made in ${(made / 1000).toFixed(0)} s`);
    // The first of them compiles what it loads.
    const noOps = [];
    for (let run = 0; run <= RUNS; run++) noOps.push(await timed(() => command(variables)));
    const noOp = noOps.slice(1).sort((a, b) => a - b)[Math.floor(RUNS / 2)];
    const migrations = MIGRATIONS.map((set) =>
      set.schema === 'shared' ? { ...set, migrations: [...set.migrations, AddBenchColumn1999999999999] } : set,
    );
    const run = await new PlaceMigrations(platform, { ...database, migrations }, servers).begin();
    try {
      let failed = 0;
      const oneColumn = await timed(() =>
        run.migrate({ parallel: PARALLEL, onPlace: ({ error }) => (failed += error === undefined ? 0 : 1) }),
      );
      if (failed > 0) throw new Error(`${failed} schemas could not be migrated`);
      return { schemas, made: made / schemas, noOp, oneColumn };
    } finally {
      await run.close();
    }
  } finally {
    await platform.destroy();
    await database.stop();
  }
}
