import {
  type BeforeApplicationShutdown,
  Inject,
  Injectable,
  Logger,
  type OnApplicationBootstrap,
  type OnModuleInit,
} from '@nestjs/common';
import { ChangeFeed } from '../../changes/index.js';
import { WorkLoop } from '../../common/index.js';
import { DATABASE, ENV, type PreparedDatabase } from '../../database/index.js';
import { type Env, worksInBackground } from '../../env/index.js';
import type { Place } from './place.js';
import { PlaceBuilder } from './place.builder.js';
import { PlaceHold } from './place.hold.js';
import { PlaceMigrations } from './place.migrations.js';
import { PLACES_CHANNEL, PlaceStore } from './place.store.js';
import { SharedMigrations } from './shared.migrations.js';
import { SpareStore } from './spare.store.js';

/** How often is looked for work unasked, in ms. */
const POLL_MS = 5000;
/** Places that one pass migrates at most, one after the other. */
const MIGRATED_AT_ONCE = 25;

type Duty = (hold: PlaceHold) => Promise<unknown>;

/**
 * Keeps places in order, one at a time and in one process of all: drops what waits for it, finishes or drops what a crash
 * left half made, keeps spare ones ready, and brings those that are behind to head.
 */
@Injectable()
export class PlaceKeeper implements OnModuleInit, OnApplicationBootstrap, BeforeApplicationShutdown {
  private readonly logger = new Logger('Places');
  private readonly stopping = new AbortController();
  private readonly loop = new WorkLoop({
    pollMs: POLL_MS,
    pass: () => this.pass(),
    failed: (error) => this.logger.error({ err: error }, 'Places cannot be kept; trying again'),
  });

  constructor(
    @Inject(ENV) private readonly env: Env,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly places: PlaceStore,
    private readonly spares: SpareStore,
    private readonly builder: PlaceBuilder,
    private readonly migrations: PlaceMigrations,
    private readonly shared: SharedMigrations,
    private readonly feed: ChangeFeed,
  ) {}

  onModuleInit(): void {
    this.feed.on(PLACES_CHANNEL, () => this.loop.wake());
  }

  onApplicationBootstrap(): void {
    if (worksInBackground(this.env)) this.loop.start();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.stopping.abort();
    await this.loop.stop();
  }

  /** @returns whether there may be more to do */
  async pass(): Promise<boolean> {
    if (!(await this.next())) return false;
    const hold = await PlaceHold.open(this.database);
    try {
      // Whoever has it now looks again afterwards, and everybody at the next poll.
      if (!(await hold.keepsAlone())) return false;
      const duty = await this.next();
      await duty?.(hold);
      return duty !== undefined;
    } finally {
      await hold.close();
    }
  }

  private async next(): Promise<Duty | undefined> {
    const wanted = { schema: this.env.warmSchemas, database: this.env.warmDatabases };
    const dropping = await this.spares.nextDropping();
    if (dropping) return (hold) => this.drop(dropping, hold);
    const excess = await this.spares.nextExcess(wanted);
    if (excess) return () => this.spares.condemn(excess);
    const unfinished = await this.spares.nextUnfinished();
    if (unfinished) return () => this.build(unfinished);
    const missing = await this.spares.nextMissing(wanted);
    if (missing) return async () => this.build(await this.places.plan(missing));
    return this.nextMigration();
  }

  private async nextMigration(): Promise<Duty | undefined> {
    const all = this.env.migratePlaces;
    const [server] = all ? await this.shared.behind(true) : [];
    if (server !== undefined) return () => this.migrateShared(server);
    // A spare place that is behind is of no use to anybody.
    const behind = await this.migrations.ledger.countBehind({ due: true, spare: !all });
    return behind > 0 ? () => this.migrate(!all) : undefined;
  }

  private async drop(place: Place, hold: PlaceHold): Promise<void> {
    if (await hold.take(place)) await this.attempt(place, 'dropped', () => this.builder.drop(place));
  }

  private build(place: Place): Promise<void> {
    return this.attempt(place, 'made', () => this.builder.build(place));
  }

  private async attempt(place: Place, what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      const failures = await this.spares.failed(place, error instanceof Error ? error.message : String(error));
      if (failures === 1) this.logger.error({ err: error, place }, `A place could not be ${what}; trying again`);
    }
  }

  private async migrateShared(server: string): Promise<void> {
    const { error, failures } = await this.shared.migrate(server);
    if (failures === 1) this.logger.error({ server, error }, 'Shared tables could not be migrated; trying again');
  }

  private async migrate(spare: boolean): Promise<void> {
    const run = await this.migrations.begin();
    try {
      const { signal } = this.stopping;
      await run.migrate({
        parallel: 1,
        limit: MIGRATED_AT_ONCE,
        due: true,
        spare,
        signal,
        onPlace: (outcome) => {
          const { place, error } = outcome;
          if (error === undefined) this.logger.log({ place, ms: Math.round(outcome.ms) }, 'A place was migrated');
          else if (place.failures === 0)
            this.logger.error({ place, error }, 'A place could not be migrated; trying again');
        },
      });
    } finally {
      await run.close();
    }
  }
}
