import { AsyncLocalStorage } from 'node:async_hooks';
import PQueue from 'p-queue';
import { PlacementUnavailable } from './tenancy.errors.js';
import { hasOwnLogin, type Placement, serverOf } from './tenant.js';

/** For one server's shared tables, and for all that has a login role of its own there. */
const AT_ONCE = 2;
/** What took so long, in ms, and failed for its place, was not answered at all: what is next there would not be either. */
const SLOW_MS = 2000;
/** Longer than a connection is tried for, in ms: one that went silent in use holds nobody up for ever. */
const PATIENCE_MS = 15_000;
/** How long nothing is tried where nobody answers, in ms. */
const DOWN_MS = 20_000;

interface Lane {
  queue: PQueue;
  downUntil: number;
}

/**
 * Runs work for many tenants, each where its rows are, so that what does not answer delays nothing elsewhere: places
 * behind one door share a lane, and while nobody opens it, what comes after fails at once, to be tried again later.
 */
export class PlaceLanes {
  private readonly lanes = new Map<string, Lane>();

  /**
   * @returns what `work` returns
   * @throws PlacementUnavailable when its lane is closed, or `work` takes too long; what `work` throws
   */
  run<T>(placement: Placement, work: () => Promise<T>): Promise<T> {
    const lane = this.laneOf(placement);
    // The queue would start it in the context of whatever ended before it.
    const bound = AsyncLocalStorage.bind(() => attempt(lane, work));
    return lane.queue.add(bound);
  }

  /** Whether what comes now would wait for what runs. */
  isFull(placement: Placement): boolean {
    const { pending, size } = this.laneOf(placement).queue;
    return pending + size >= AT_ONCE;
  }

  private laneOf(placement: Placement): Lane {
    const key = `${serverOf(placement)} ${hasOwnLogin(placement) ? 'own' : 'shared'}`;
    const known = this.lanes.get(key);
    if (known) return known;
    const lane = { queue: new PQueue({ concurrency: AT_ONCE }), downUntil: 0 };
    this.lanes.set(key, lane);
    return lane;
  }
}

async function attempt<T>(lane: Lane, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  if (lane.downUntil > started) throw new PlacementUnavailable(new Error('Nobody answered there just now.'));
  let late: NodeJS.Timeout | undefined;
  try {
    const silence = new Promise<never>((_, reject) => {
      late = setTimeout(() => reject(new PlacementUnavailable(new Error('No answer.'))), PATIENCE_MS);
    });
    return await Promise.race([work(), silence]);
  } catch (error) {
    const now = performance.now();
    if (error instanceof PlacementUnavailable && now - started > SLOW_MS) lane.downUntil = now + DOWN_MS;
    throw error;
  } finally {
    clearTimeout(late);
  }
}
