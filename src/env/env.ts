import { existsSync } from 'node:fs';
import { EnvError, EnvReader, type Variable } from './env.reader.js';
import { BACKUPS_VARIABLES, type BackupsEnv, readBackups } from './topics/backups.topic.js';
import { DATABASE_VARIABLES, type DatabaseEnv, readDatabase } from './topics/database.topic.js';
import { FILES_VARIABLES, type FilesEnv, readFiles } from './topics/files.topic.js';
import { FAIRNESS_VARIABLES, type FairnessEnv, readFairness } from './topics/fairness.topic.js';
import { MAIL_VARIABLES, type MailEnv, readMail } from './topics/mail.topic.js';
import { MODELS_VARIABLES, type ModelsEnv, readModels } from './topics/models.topic.js';
import { MODE_VARIABLES, type ModeEnv, readMode } from './topics/mode.topic.js';
import { OUTBOUND_VARIABLES, type OutboundEnv, readOutbound } from './topics/outbound.topic.js';
import { PEOPLE_VARIABLES, type PeopleEnv, readPeople } from './topics/people.topic.js';
import { PLACES_VARIABLES, type PlacesEnv, readPlaces } from './topics/places.topic.js';
import { PROCESS_VARIABLES, type ProcessEnv, readProcess } from './topics/process.topic.js';
import { readRedis, REDIS_VARIABLES, type RedisEnv } from './topics/redis.topic.js';
import { readSignup, SIGNUP_VARIABLES, type SignupEnv } from './topics/signup.topic.js';
import { readTenants, TENANTS_VARIABLES, type TenantsEnv } from './topics/tenants.topic.js';

/** What the process was told from outside, parsed once. Nothing else in the code reads `process.env`. */
export interface Env
  extends
    ModeEnv,
    ProcessEnv,
    DatabaseEnv,
    PlacesEnv,
    TenantsEnv,
    MailEnv,
    PeopleEnv,
    SignupEnv,
    BackupsEnv,
    FilesEnv,
    RedisEnv,
    OutboundEnv,
    ModelsEnv,
    FairnessEnv {}

/** Whether the process works jobs, outbox, provisioning and purges of its own accord. */
export function worksInBackground({ role }: Pick<Env, 'role'>): boolean {
  return role === 'all' || role === 'worker';
}

/** Every variable, in the order of `.env.example`, which is generated from this list. */
export const VARIABLES: readonly Variable[] = [
  ...MODE_VARIABLES,
  ...PROCESS_VARIABLES,
  ...DATABASE_VARIABLES,
  ...PLACES_VARIABLES,
  ...TENANTS_VARIABLES,
  ...MAIL_VARIABLES,
  ...PEOPLE_VARIABLES,
  ...SIGNUP_VARIABLES,
  ...BACKUPS_VARIABLES,
  ...FILES_VARIABLES,
  ...REDIS_VARIABLES,
  ...OUTBOUND_VARIABLES,
  ...MODELS_VARIABLES,
  ...FAIRNESS_VARIABLES,
];

/**
 * Parses the environment into an {@link Env}.
 *
 * @throws EnvError naming every wrong variable, its value and what is allowed
 */
export function parseEnv(source: NodeJS.ProcessEnv, cwd = process.cwd()): Env {
  const from = new EnvReader(source, VARIABLES);
  const mode = readMode(from);
  const reach = readProcess(from, { cwd, demo: mode.demo });
  const env: Env = {
    ...mode,
    ...reach,
    ...readDatabase(from, mode),
    ...readPlaces(from),
    ...readTenants(from),
    ...readMail(from, reach),
    ...readPeople(from),
    ...readSignup(from, mode),
    ...readBackups(from, cwd),
    ...readFiles(from, { dataDir: reach.dataDir, cwd }),
    ...readRedis(from),
    ...readOutbound(from),
    ...readModels(from),
    ...readFairness(from),
  };
  if (from.problems.length > 0) throw new EnvError(from.problems);
  return env;
}

/** Loads `.env` beside the working folder when there is one (the real environment wins), then parses. */
export function loadEnv(): Env {
  if (existsSync('.env')) process.loadEnvFile('.env');
  return parseEnv(process.env);
}

/** The text of `.env.example`. */
export function envExample(): string {
  const head = '# Generated from src/env/ by `npm run generate`. Copy to .env and uncomment what you change.\n';
  return head + VARIABLES.map((v) => `\n# ${v.about}\n# Allowed: ${v.allowed}\n# ${v.name}=${v.example}\n`).join('');
}
