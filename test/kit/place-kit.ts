import type { MigrationInterface, QueryRunner } from 'typeorm';
import { DataSource } from 'typeorm';
import { MigrateCommands, type MigrateOptions } from '../../src/cli/migrate.commands.js';
import { Terminal } from '../../src/cli/terminal.js';
import { migrate, type MigrationClass, type PreparedDatabase } from '../../src/database/index.js';
import {
  type Place,
  PlaceBuilder,
  type PlaceKind,
  PlaceMigrations,
  PlaceStore,
  Servers,
} from '../../src/tenant/index.js';

/** A tenant migration as a later release would bring it: one column more in `chat_messages`. */
export function addsColumn(column: string, time: number, oldestApplication?: string): MigrationClass {
  const name = `Add${column}${time}`;
  class AddColumn implements MigrationInterface {
    name = name;
    oldestApplication = oldestApplication;

    async up(runner: QueryRunner): Promise<void> {
      await runner.query(`ALTER TABLE chat_messages ADD COLUMN ${column} text`);
    }

    async down(runner: QueryRunner): Promise<void> {
      await runner.query(`ALTER TABLE chat_messages DROP COLUMN ${column}`);
    }
  }
  Object.defineProperty(AddColumn, 'name', { value: name });
  return AddColumn;
}

/** The same database, seen by a release with more tenant migrations. */
export function release(
  prepared: PreparedDatabase,
  more: MigrationClass[],
  oldestSupported?: string,
): PreparedDatabase {
  const migrations = prepared.migrations.map((set) =>
    set.schema === 'platform'
      ? set
      : {
          ...set,
          migrations: [...set.migrations, ...more],
          ...(oldestSupported !== undefined && { oldestSupported }),
        },
  );
  return {
    ...prepared,
    migrations,
    migrate: () => migrate(prepared.url('migrator', true), prepared.roles.installation, migrations),
  };
}

/** The same database, seen by a release that lacks the newest tenant migrations. It must not be brought to head with it. */
export function earlier(prepared: PreparedDatabase, lacked: number): PreparedDatabase {
  const migrations = prepared.migrations.map((set) =>
    set.schema === 'platform' ? set : { ...set, migrations: set.migrations.slice(0, -lacked) },
  );
  return { ...prepared, migrations };
}

/** Keeps what would be on the screen. */
class HeardTerminal extends Terminal {
  stdout = '';
  notes: string[] = [];
  answer: boolean | undefined;

  override print(text: string): Promise<void> {
    this.stdout += text;
    return Promise.resolve();
  }

  override note(text: string): void {
    this.notes.push(text);
  }

  override confirm(question: string): Promise<boolean | undefined> {
    this.notes.push(question);
    return Promise.resolve(this.answer);
  }
}

export interface HeardRun {
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- tests look into documents of every shape
  json: any;
  notes: string[];
  /** What it ended with, if not well. */
  error?: { exit: number; code: string };
}

/** Places and migrations of one database, as the command line has them. */
export class PlaceKit {
  private constructor(
    readonly platform: DataSource,
    readonly prepared: PreparedDatabase,
  ) {}

  static async open(prepared: PreparedDatabase): Promise<PlaceKit> {
    const url = prepared.url('platform');
    const platform = new DataSource({ type: 'postgres', url, installExtensions: false, poolSize: 8 });
    return new PlaceKit(await platform.initialize(), prepared);
  }

  close(): Promise<void> {
    return this.platform.destroy();
  }

  async make(kind: PlaceKind): Promise<Place> {
    const place = await new PlaceStore(this.platform, this.prepared).plan({ kind, server: 'default' });
    await this.builder.build(place);
    return place;
  }

  /** Brings one place to head, past the ledger of runs. */
  async migrateOne(place: Place): Promise<void> {
    await this.builder.migrate(place);
  }

  migrations(prepared: PreparedDatabase): PlaceMigrations {
    return new PlaceMigrations(this.platform, prepared, new Servers(this.platform, prepared));
  }

  migrate(prepared: PreparedDatabase, options: MigrateOptions = {}, answer?: boolean): Promise<HeardRun> {
    return this.command(prepared, (commands) => commands.run(options), answer);
  }

  status(prepared: PreparedDatabase): Promise<HeardRun> {
    return this.command(prepared, (commands) => commands.status());
  }

  private get builder(): PlaceBuilder {
    const store = new PlaceStore(this.platform, this.prepared);
    return new PlaceBuilder(this.prepared, new Servers(this.platform, this.prepared), store);
  }

  private async command(
    prepared: PreparedDatabase,
    work: (commands: MigrateCommands) => Promise<void>,
    answer?: boolean,
  ): Promise<HeardRun> {
    const terminal = new HeardTerminal(true, new AbortController().signal);
    terminal.answer = answer;
    const run: HeardRun = { json: undefined, notes: terminal.notes };
    try {
      await work(new MigrateCommands(terminal, prepared, this.platform));
    } catch (error) {
      if (!(error instanceof Error && 'exit' in error)) throw error;
      run.error = error as never;
    }
    run.json = terminal.stdout === '' ? undefined : JSON.parse(terminal.stdout);
    return run;
  }
}
