// node dist/bring.js OLD_DATABASE_URL SLUG, on the installation that DATA_DIR or DATABASE_URL names.
import { createApplication, createLogger, loadEnv, migrationsOf, prepareDatabase } from 'tenantry';
import { OldNotes } from './old.notes.js';
import { NOTES } from './product.js';

const [url, slug] = process.argv.slice(2);
if (url === undefined || slug === undefined) throw new Error('Usage: node dist/bring.js OLD_DATABASE_URL SLUG');
const env = loadEnv();
const database = await prepareDatabase(env, migrationsOf(NOTES));
try {
  const app = await createApplication(env, database, createLogger(env), NOTES);
  console.log(await app.get(OldNotes).bring(url, slug));
  await app.close();
} finally {
  await database.stop();
}
