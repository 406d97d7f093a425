// The project's one report: docs/bench.md with its plots, from what each part measured last.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';

/** In the order of the report. `limit`: what keeps the figure from being better, as far as profiles have shown. */
const CHAPTERS = {
  chat: {
    title: 'Chat, stored before it is answered',
    about:
      'Requests/s of `/chat` with the mock model, by visitors of three tenants, against the same service written by hand: Express with `pg` and a `WHERE tenant_id` in each statement, NestJS with plain TypeORM, and one that stores nothing.',
    limit: 'The one thread of the process: HTTP, checks of the body, the message to the database. See the waterfall.',
  },
  'session-read': {
    title: 'Reading a session',
    about: 'Requests/s of `GET /api/sessions/{id}` by visitors, against the same three: one statement by key.',
    limit: 'The one thread of the process; the statement itself is a lookup by primary key.',
  },
  waterfall: {
    title: 'What each layer costs',
    about:
      'Where the thread spends the time of a request, by the nearest frame of each sample of a CPU profile. `rename` is the change of a name, which is audited. And, in the database, a statement by key as the owner, to whom no policy applies, against the same as the role of tenants with its scope set in the same flight.',
    limit:
      'Samples count waits for a core as work: beside a load client on few cores the shares tell more than the times.',
  },
  tenants: {
    title: 'The number of registered tenants',
    about:
      'Latency of `/chat` with 3, 100,000 and 1,000,000 tenants registered, of which the same number of sessions is in use, evenly or by Zipf.',
    limit: 'Tenants are looked up by name in a bounded cache; a miss costs one statement by a unique index.',
  },
  rows: {
    title: 'The number of rows of a tenant',
    about:
      'Latency of `/chat` and of reading a session, for a tenant with few messages and for one with many, in shared tables.',
    limit: 'Every index leads with the tenant, so depth grows with the logarithm of all rows.',
  },
  models: {
    title: 'The three isolation models',
    about:
      'Requests/s with tenants in shared tables, in schemas and in databases of their own; and the fence for moves.',
    limit: 'A database of its own has connections of its own: fewer statements travel together.',
  },
  fairness: {
    title: 'Beside a tenant that floods',
    about:
      'Latency of twenty tenants with 10 chats/s each, alone and beside one that offers a hundred times as many, by a client that sends at a fixed rate and measures from the moment a request was due. The flood comes from a client of its own.',
    limit:
      'The client, the flood, the service and PostgreSQL share the cores; each refusal costs reading and answering it.',
  },
  auth: {
    title: 'Signing in',
    about: "A signed-in read against a visitor's, and chat while others sign in (Argon2id).",
    limit: 'Argon2id runs beside the thread, on cores that the others need, too.',
  },
  limits: {
    title: 'Limits of requests',
    about:
      'Requests/s of a tenant with every limit against one without, in process and in Redis; and the check by itself.',
    limit: 'In Redis, the round trip of one script.',
  },
  reads: {
    title: 'Settings and cache',
    about: 'A setting against a session read; a hit of the cache against the statement that it saves.',
    limit: 'A hit is copied, so that who gets it cannot change it for others.',
  },
  history: {
    title: 'History for restores',
    about: 'Chat of a tenant whose changes are kept, and of others beside many such.',
    limit: 'One more row for each row written.',
  },
  'control-plane': {
    title: 'The registry',
    about: 'Lists with 100,000 tenants against 100; creating a tenant until it is active; the resolution of a tenant.',
    limit: 'Creating waits for the job engine to poll.',
  },
  migrations: {
    title: 'Migrations over many schemas',
    about: 'The whole command over schemas with nothing to do, and with one column to add.',
    limit: 'Catalogue rows: PostgreSQL writes as many for each schema.',
  },
  moves: {
    title: 'Moves',
    about: 'Rows/s of a move between models under load, and how long the tenant waits at its end.',
    limit: 'COPY on one connection, and the last changes, which are applied while its writes wait.',
  },
  memory: {
    title: 'Memory of many tenants in schemas',
    about: 'What the process and each backend hold after work for all of them.',
    limit: "Each backend's catalogue caches: PostgreSQL keeps what it has seen.",
  },
  start: {
    title: 'From `npm start` to ready',
    about:
      'Installed and built: a first start, which makes the embedded database and the demo tenants, and one after it.',
    limit: 'Loading the code of the application and its libraries, and on the first start the migrations.',
  },
};

/** Keeps the tables, ratios and plots of the parts that a run measures. */
export class Book {
  #parts = {};
  #current;

  /** @param part a name of {@link CHAPTERS}, to which the tables after this belong */
  open(part) {
    if (!Object.hasOwn(CHAPTERS, part)) throw new Error(`no chapter for ${part}`);
    this.#current = this.#parts[part] ??= { tables: [], plots: [] };
  }

  table(rows) {
    this.#current.tables.push(rows);
  }

  /** @param svg a whole document */
  plot(name, svg) {
    this.#current.plots.push({ name, svg });
  }

  /** Puts the parts of this run into the report in `docs`, in the place of what they were, and leaves the others. */
  write(docs, { when, machine, flags }) {
    const folder = path.join(docs, 'bench');
    mkdirSync(folder, { recursive: true });
    const file = path.join(folder, 'results.json');
    const known = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
    for (const [part, { tables, plots }] of Object.entries(this.#parts)) {
      for (const { name, svg } of plots) writeFileSync(path.join(folder, `${name}.svg`), svg);
      const command = `npm run bench -- --only ${part}${flags}`;
      known[part] = { when, machine, command, tables, plots: plots.map(({ name }) => name) };
    }
    const parts = Object.fromEntries(
      Object.keys(CHAPTERS).flatMap((part) => (known[part] ? [[part, known[part]]] : [])),
    );
    writeFileSync(file, `${JSON.stringify(parts, null, 2)}\n`);
    writeFileSync(path.join(docs, 'bench.md'), markdownOf(parts));
  }
}

function markdownOf(parts) {
  const lines = [
    '# Benchmarks',
    '',
    'Written by `npm run bench -- --report`, part by part: each has its command, which anyone can run, and the machine that gave',
    'these figures. Ratios are against something measured in the same run and in turns with it; they are what to compare, not',
    'the absolute figures. Clients, service and PostgreSQL shared the cores. The figures as JSON: [results.json](bench/results.json).',
    '',
  ];
  for (const [part, { when, machine, command, tables, plots }] of Object.entries(parts)) {
    const { title, about, limit } = CHAPTERS[part];
    lines.push(`## ${title}`, '', about, '', '```sh', command, '```', '');
    for (const rows of tables) lines.push(...tableOf(rows), '');
    for (const name of plots) lines.push(`![${title}](bench/${name}.svg)`, '');
    lines.push(`What limits it: ${limit}`, '', `Measured on ${when.slice(0, 10)}: ${machine}.`, '');
  }
  const missing = Object.keys(CHAPTERS).filter((part) => !parts[part]);
  if (missing.length > 0) {
    const names = missing.map((part) => `${CHAPTERS[part].title} (\`--only ${part}\`)`);
    lines.push('## Not measured for this report', '', `${names.join('; ')}.`, '');
  }
  return lines.join('\n');
}

function tableOf([head, ...rows]) {
  const line = (cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map((_, at) => (at === 0 ? '---' : '--:'))), ...rows.map(line)];
}
