import { Argument, Command, InvalidArgumentError, Option } from 'commander';
import { backingUp } from './backup.program.js';
import type { ExportCommandOptions, ImportCommandOptions } from './archive.commands.js';
import type { Commands } from './commands.js';
import { EXIT, EXIT_MEANINGS } from './exit-codes.js';
import { generating, type GenerationAct } from './generate.program.js';
import { remembering } from './history.program.js';
import { replacingMasterKey } from './master-key.program.js';
import { migrating, type MigrationAct } from './migrate.program.js';
import { moving } from './move.program.js';
import { restoring } from './restore.program.js';
import type { PlanOptions } from './plan.commands.js';
import { recovering, type RecoveryAct } from './recovery.program.js';
import type { AddServerOptions, ServerOptions } from './server.commands.js';
import type { CreateOptions, EditOptions, ListOptions } from './tenant.commands.js';

type Work = (commands: Commands) => Promise<void>;
type Act = (work: Work) => Promise<void>;

/** How the work of commands is run. */
export interface Acts {
  /** In an application. */
  commands: Act;
  /** With the database as it is. */
  migrations: MigrationAct;
  /** Without an application, on a database that may still be empty. */
  recovery: RecoveryAct;
  /** On source text alone. */
  generation: GenerationAct;
}

const STATUSES = 'provisioning, active, failed, suspended, archived, deleted';
const KINDS = 'production, trial, sandbox, training';
const PLANS = 'see "plans list"';

/**
 * The commands and their options, and nothing of what they do: that is loaded with `acts`.
 *
 * @param acts run the work of commands
 * @param writeError takes what is said of wrong usage
 */
export function buildProgram(acts: Acts, writeError: (text: string) => void, helpWidth?: number): Command {
  const { commands: act } = acts;
  const program = new Command('tenantry')
    .description('Runs the tenants of an installation, beside a running service or without one.')
    .option('--json', 'JSON on standard output, problems as JSON on standard error')
    .exitOverride()
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeErr: writeError,
      ...(helpWidth !== undefined && { getOutHelpWidth: () => helpWidth, getOutHasColors: () => false }),
    })
    .addHelpText('after', `\nExit codes:\n${exitCodes().join('\n')}`)
    .showHelpAfterError();
  const tenants = program.command('tenants').description('make, find, change and remove tenants');
  making(tenants, act);
  finding(tenants, act);
  changing(tenants, act);
  moving(tenants, act);
  restoring(tenants, act);
  remembering(tenants, act);
  planning(program.command('plans').description('what plans say of the life of their tenants, and keep for them'), act);
  serving(program.command('servers').description('the servers that tenants are placed on'), act);
  backingUp(program.command('backups').description('backups of tenants, in BACKUP_DIR or BACKUP_S3_BUCKET'), act);
  migrating(program.command('migrate').description('bring the tables of all tenants to head'), acts.migrations);
  const masterKey = program.command('master-key').description('replace MASTER_KEY, which opens the key of all keys');
  replacingMasterKey(masterKey, (work) => act(({ masterKeys }) => work(masterKeys)));
  recovering(program.command('recover').description('restore an installation from dumps'), acts.recovery);
  generating(program.command('generate').description('write source text, in a checkout'), acts.generation);
  program
    .command('keys')
    .description('keys that sign access tokens')
    .command('rotate')
    .description('make a new key, which signs after five minutes of notice')
    .addArgument(new Argument('<realm>', 'whose tokens').choices(['tenant', 'platform']))
    .option('--now', 'sign at once; whoever caches the key set refuses new tokens until they look again')
    .option('--revoke', 'retire the keys before it at once, after one was lost: access tokens given out are void')
    .action((realm: 'tenant' | 'platform', options: { now?: boolean; revoke?: boolean }) =>
      act(({ keys }) => keys.rotate(realm, options)),
    );
  return program;
}

export function exitCodes(): string[] {
  return Object.entries(EXIT).map(
    ([name, code]) => `  ${String(code).padStart(3)}  ${EXIT_MEANINGS[name as keyof typeof EXIT]}`,
  );
}

function making(tenants: Command, act: Act): void {
  tenants
    .command('create')
    .description('make a tenant and wait until it is in service')
    .argument('<slug>', 'a DNS label, for good: slugs are never given out again')
    .requiredOption('--name <text>', 'what people call it')
    .requiredOption('--owner <email>', 'who owns it; gets an invitation by mail')
    .option('--owner-name <text>', "the owner's name")
    .option('--plan <plan>', `${PLANS}; free unless given`)
    .option('--kind <kind>', `${KINDS}; production unless given`)
    .option('--isolation <isolation>', 'shared, schema or database; shared unless given')
    .option('--login', 'a login role of its own for its schema; a database always has one')
    .option('--server <server>', 'where its data is to be; chosen unless given')
    .option('--region <region>', 'of the server')
    .addOption(settings('a setting to begin with; may be repeated'))
    .option('--no-wait', 'do not wait until it is in service')
    .action((slug: string, options: CreateOptions) => act((commands) => commands.tenants.create(slug, options)));
  tenants
    .command('wait')
    .description('wait until the provisioning of a tenant has ended')
    .argument('<tenant>', 'slug or UUID')
    .action((name: string) => act((commands) => commands.tenants.wait(name)));
  tenants
    .command('retry')
    .description('go on with a failed provisioning or reset, from the step that failed')
    .argument('<tenant>', 'slug or UUID')
    .option('--no-wait', 'do not wait until it has ended')
    .action((name: string, { wait }: { wait: boolean }) => act((commands) => commands.tenants.retry(name, wait)));
  tenants
    .command('roll-back')
    .description('take back what a failed provisioning made; the slug is free again')
    .argument('<tenant>', 'slug or UUID')
    .option('--no-wait', 'do not wait until it is gone')
    .action((name: string, { wait }: { wait: boolean }) => act((commands) => commands.tenants.rollBack(name, wait)));
  tenants
    .command('import')
    .description('make a tenant of an archive, or bring in tenants from a file of JSON lines; all or nothing')
    .argument('<file>', 'an archive, or one JSON object to a line')
    .option('--same', 'of an archive: the same tenant, ids and all, where there is none of its id; else a new one')
    .option('--slug <slug>', 'of an archive: that of the archive unless given')
    .option('--name <text>', 'of an archive: what people call it; that of the archive unless given')
    .option('--isolation <isolation>', 'of an archive: shared, schema or database; shared unless given')
    .option('--server <server>', 'of an archive: where its data is to be; chosen unless given')
    .option('--region <region>', 'of the server')
    .option('--passphrase-file <file>', 'holds the passphrase of an encrypted archive')
    .action((file: string, options: ImportCommandOptions) => act((commands) => commands.imports.run(file, options)));
  tenants
    .command('export')
    .description('write all that a tenant has into an archive')
    .argument('<tenant>', 'slug or UUID')
    .requiredOption('--out <file>', 'the archive')
    .option('--passphrase-file <file>', 'holds a passphrase to encrypt it under; without one secrets are left out')
    .option('--compression <compression>', 'zstd or gzip; zstd unless given')
    .action((name: string, options: ExportCommandOptions) => act(({ archives }) => archives.export(name, options)));
}

function finding(tenants: Command, act: Act): void {
  tenants
    .command('list')
    .description('tenants, newest first')
    .option('--status <status>', `one or more, separated by commas: ${STATUSES}`)
    .option('--plan <plan>', `one or more, separated by commas: ${PLANS}`)
    .option('--kind <kind>', `one or more, separated by commas: ${KINDS}`)
    .option('--search <text>', 'beginnings of words of slug or name')
    .option('--limit <n>', 'how many; 50 unless given, at most 200')
    .option('--cursor <cursor>', 'go on behind an earlier list')
    .addOption(new Option('--all', 'all of them, as fast as they are read').conflicts(['limit', 'cursor']))
    .option('--total', 'count all that match')
    .action((options: ListOptions) => act((commands) => commands.tenants.list(options)));
  tenants
    .command('show')
    .description('one tenant, with the steps of its provisioning')
    .argument('<tenant>', 'slug or UUID')
    .action((name: string) => act((commands) => commands.tenants.show(name)));
}

function changing(tenants: Command, act: Act): void {
  tenants
    .command('edit')
    .description('change name, slug, plan, kind or settings')
    .argument('<tenant>', 'slug or UUID')
    .option('--slug <slug>', 'a new slug; the old one leads to it for SLUG_REDIRECT_DAYS')
    .option('--name <text>', 'what people call it')
    .option('--plan <plan>', PLANS)
    .option('--kind <kind>', KINDS)
    .addOption(settings('a setting; may be repeated'))
    .option('--unset <key>', 'a setting that goes back to its default; may be repeated', collect)
    .option('--expires-at <time>', 'when it ends, as of ISO 8601, or never')
    .option('--if-match <etag>', 'the ETag last seen; refused when it is another by now')
    .action((name: string, options: EditOptions) => act((commands) => commands.tenants.edit(name, options)));
  tenants
    .command('suspend')
    .description('take a tenant out of service; its data stays')
    .argument('<tenant>', 'slug or UUID')
    .requiredOption('--reason <text>', 'everybody who meets the tenant reads it')
    .action((name: string, { reason }: { reason: string }) => act(({ lifecycle }) => lifecycle.suspend(name, reason)));
  for (const [transition, description] of [
    ['resume', 'put a suspended tenant back into service'],
    ['archive', 'make a tenant as if it had never been, to everybody else; its data stays'],
    ['restore', 'bring an archived tenant back, suspended; a deletion that was asked for is called off'],
  ] as const) {
    tenants
      .command(transition)
      .description(description)
      .argument('<tenant>', 'slug or UUID')
      .action((name: string) => act(({ lifecycle }) => lifecycle.apply(name, transition)));
  }
  tenants
    .command('delete')
    .description('have an archived tenant erased after TENANT_DELETION_GRACE_DAYS')
    .argument('<tenant>', 'slug or UUID')
    .requiredOption('--confirm <slug>', 'the slug, typed again')
    .action((name: string, { confirm }: { confirm: string }) =>
      act(({ lifecycle }) => lifecycle.remove(name, confirm)),
    );
  tenants
    .command('purge-due')
    .description('erase the tenants whose time of grace is over, now')
    .action(() => act(({ lifecycle }) => lifecycle.purgeDue()));
  tenants
    .command('prove-erased')
    .description('look through everything there is for what is left of an erased tenant')
    .argument('<tenant>', 'slug or UUID')
    .action((name: string) => act(({ erasures }) => erasures.prove(name)));
}

function planning(plans: Command, act: Act): void {
  plans
    .command('list')
    .description('all plans')
    .action(() => act((commands) => commands.plans.list()));
  plans
    .command('edit')
    .description('change the rules of a plan')
    .argument('<plan>', PLANS)
    .option('--trial-days <days>', 'how long a trial lasts')
    .option('--archive-after-days <days>', 'a tenant suspended for longer is archived; or never')
    .option('--purge-after-days <days>', 'a tenant archived for longer is erased; or never')
    .option('--roll-back-after-days <days>', 'a tenant whose provisioning failed longer ago is taken back')
    .option('--if-match <etag>', 'the ETag last seen; refused when it is another by now')
    .option('--reserved-connections <number>', 'database connections that each process keeps for its tenants')
    .option(
      '--reserved-workers <number>',
      'events, and jobs of each name, that each process can work at once for its tenants',
    )
    .action((name: string, options: PlanOptions) => act((commands) => commands.plans.edit(name, options)));
}

function serving(servers: Command, act: Act): void {
  const rules = (command: Command): Command =>
    command
      .option('--region <region>', 'of the server; or none')
      .option('--weight <weight>', 'its share of new tenants; 0 takes none but those that name it')
      .option('--plan <plan>', 'takes only tenants of this plan; more than once for several; or all', collect);
  servers
    .command('list')
    .description('all servers')
    .action(() => act((commands) => commands.servers.list()));
  rules(
    servers
      .command('add')
      .description('make roles and shared tables on a server, and place tenants there')
      .argument('<name>', 'small letters, digits and hyphens')
      .argument('<url>', 'of an empty database, by a user who may create roles and databases')
      .option('--direct-url <url>', 'the same past a transaction-mode pooler'),
  ).action((name: string, url: string, options: AddServerOptions) =>
    act((commands) => commands.servers.add(name, url, options)),
  );
  rules(servers.command('edit').description('change which new tenants come to a server').argument('<name>')).action(
    (name: string, options: ServerOptions) => act((commands) => commands.servers.edit(name, options)),
  );
  servers
    .command('remove')
    .description('forget a server that nothing is on any more')
    .argument('<name>')
    .action((name: string) => act((commands) => commands.servers.remove(name)));
}

function settings(description: string): Option {
  return new Option('--setting <key=value>', description).argParser((text: string, earlier?: string[]) => {
    if (text.indexOf('=') < 1) throw new InvalidArgumentError('It must be key=value.');
    return collect(text, earlier);
  });
}

function collect(text: string, earlier: string[] = []): string[] {
  return [...earlier, text];
}
