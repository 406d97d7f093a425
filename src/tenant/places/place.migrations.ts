import { Inject, Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import {
  DATABASE,
  headOf,
  PlaceMigrationFailed,
  PlaceMigrator,
  type PreparedDatabase,
  type RehearsedMigration,
} from '../../database/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { type Place, schemaOf } from './place.js';
import { PlaceHold } from './place.hold.js';
import { PlaceLedger, type PlaceSelection } from './place.ledger.js';
import { Servers } from './servers.js';

/** Places that a worker takes in hand at once. */
const BATCH = 8;

export interface MigratedPlace {
  place: Place;
  /** Names of the migrations that ran. */
  ran: string[];
  ms: number;
  /** Why it did not come to head. */
  error?: string;
}

export interface RunOptions extends PlaceSelection {
  /** Workers, each with one connection. */
  parallel: number;
  /** So many places at most. */
  limit?: number;
  /** What is in hand is finished; no other is begun. */
  signal?: AbortSignal;
  onPlace?: (outcome: MigratedPlace) => void;
}

/** Brings schemas and databases of tenants to head. */
@Injectable()
export class PlaceMigrations {
  readonly ledger: PlaceLedger;

  constructor(
    @InjectPlatformDataSource() platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly servers: Servers,
  ) {
    this.ledger = new PlaceLedger(platform, headOf(database.migrations));
  }

  /** Opens a run; several may be under way, in one process or in many, and none takes up what another has in hand. */
  async begin(): Promise<MigrationRun> {
    return new MigrationRun(this, this.ledger, await PlaceHold.open(this.database));
  }

  async connect(place: Pick<Place, 'server' | 'kind' | 'name'>): Promise<PlaceMigrator> {
    const address = await this.servers.addressOf(place.server);
    const url = address.url('migrator', true, place.kind === 'database' ? place.name : undefined);
    return PlaceMigrator.connect(url, this.database.migrations);
  }

  /** What the place lacks, run and taken back. */
  async rehearse(place: Pick<Place, 'server' | 'kind' | 'name' | 'login'>): Promise<RehearsedMigration[]> {
    const migrator = await this.connect(place);
    try {
      return await migrator.rehearse({ schema: schemaOf(place), login: place.login ?? undefined });
    } finally {
      await migrator.close();
    }
  }
}

/** One pass over the places that are behind. One that fails is written down, and the others go on. */
export class MigrationRun {
  private readonly unreachable = new Map<string, unknown>();

  constructor(
    private readonly migrations: PlaceMigrations,
    private readonly ledger: PlaceLedger,
    private readonly hold: PlaceHold,
  ) {}

  /** Migrates what nobody has tried since this run began. @returns how many places it took up */
  async migrate(options: RunOptions): Promise<number> {
    const { parallel, limit = Infinity } = options;
    const behind = Math.min(limit, await this.ledger.countBehind(options));
    const batch = Math.max(1, Math.min(BATCH, Math.ceil(behind / parallel)));
    const share = { left: limit, taken: 0 };
    const workers = Math.min(parallel, behind);
    await Promise.all(Array.from({ length: workers }, () => this.work(options, batch, share)));
    return share.taken;
  }

  /** How many that are behind another run has in hand. */
  inOtherHands(selection: PlaceSelection): Promise<number> {
    return this.ledger.countInOtherHands(this.hold, selection);
  }

  /** Whether others may take up what it has in hand; it does nothing any more. */
  get lost(): boolean {
    return this.hold.lost;
  }

  close(): Promise<void> {
    return this.hold.close();
  }

  private async work(options: RunOptions, batch: number, share: { left: number; taken: number }): Promise<void> {
    const connection = new Connection(this.migrations, this.unreachable);
    const stops = (): boolean => options.signal?.aborted === true || this.hold.lost;
    try {
      while (!stops()) {
        // Reserved before it is claimed: the others claim meanwhile.
        const wanted = Math.min(batch, share.left);
        share.left -= wanted;
        const claimed = wanted > 0 ? await this.ledger.claim(this.hold, options, wanted) : [];
        share.left += wanted - claimed.length;
        share.taken += claimed.length;
        if (claimed.length === 0) return;
        for (const place of claimed) {
          if (stops()) await this.ledger.giveBack(this.hold, place);
          else options.onPlace?.(await this.take(place, connection));
        }
      }
    } finally {
      await connection.close();
    }
  }

  private async take(place: Place, connection: Connection): Promise<MigratedPlace> {
    const started = performance.now();
    const elapsed = (): number => performance.now() - started;
    try {
      const migrator = await connection.to(place);
      const ran = await migrator.toHead({ schema: schemaOf(place), login: place.login ?? undefined });
      await this.ledger.done(this.hold, place, elapsed());
      return { place, ran, ms: elapsed() };
    } catch (cause) {
      // Its session may be in any state.
      await connection.close();
      const error = cause instanceof Error ? cause.message : String(cause);
      const reached = cause instanceof PlaceMigrationFailed ? cause.reached : undefined;
      await this.ledger.failed(this.hold, place, elapsed(), error, reached);
      return { place, ran: [], ms: elapsed(), error };
    }
  }
}

/** One worker's connection: kept for as long as the places are in the same database. */
class Connection {
  private key: string | undefined;
  private migrator: PlaceMigrator | undefined;

  constructor(
    private readonly migrations: PlaceMigrations,
    private readonly unreachable: Map<string, unknown>,
  ) {}

  async to(place: Place): Promise<PlaceMigrator> {
    const key = place.kind === 'database' ? `${place.server} ${place.name}` : place.server;
    if (this.key === key && this.migrator) return this.migrator;
    await this.close();
    // A thousand schemas of a server that is down need not each find that out.
    if (this.unreachable.has(key)) throw this.unreachable.get(key);
    try {
      this.migrator = await this.migrations.connect(place);
    } catch (error) {
      this.unreachable.set(key, error);
      throw error;
    }
    this.key = key;
    return this.migrator;
  }

  async close(): Promise<void> {
    const { migrator } = this;
    this.key = this.migrator = undefined;
    await migrator?.close();
  }
}
