import type { Redis } from 'ioredis';
import {
  type LimitPolicy,
  type LimitStanding,
  LimitStorage,
  type LimitVerdict,
  wholeSeconds,
} from './limit.storage.js';
import type { CountedHits } from './memory-throttler.storage.js';
import { CARRY, CONSUME } from './redis-limit.scripts.js';
import { RedisScript } from '../redis/index.js';

const CONSUMES = new RedisScript(CONSUME);
const CARRIES = new RedisScript(CARRY);

/** Counts hits in Redis, for all processes, by its clock: one script for all policies of a request. */
export class RedisThrottlerStorage extends LimitStorage {
  constructor(private readonly client: Redis) {
    super();
  }

  /** @throws Error when Redis does not answer, or cannot write */
  override async consume(policies: readonly LimitPolicy[]): Promise<LimitVerdict> {
    const keys = policies.map(({ key }) => key);
    const widths = policies.map(({ windowMs }) => Math.ceil(windowMs));
    const args = policies.flatMap(({ quota }, i) => [quota, widths[i] as number]);
    const reply = (await CONSUMES.run(this.client, keys, args)) as number[];
    const room = policies.map((_, i) => reply[3 * i] === 0);
    const standings = policies.map(({ quota }, i): LimitStanding => {
      const used = reply[3 * i + 1] as number;
      const resetSeconds = wholeSeconds((reply[3 * i + 2] as number) / 1000, widths[i] as number);
      return { refused: !room[i], used, remaining: Math.max(0, quota - used), resetSeconds };
    });
    return { accepted: room.every(Boolean), standings };
  }

  /**
   * Adds hits that were let through while it was not asked. Done twice it counts them twice, so it may refuse too much, but
   * never too little.
   *
   * @throws Error when Redis does not answer, or cannot write
   */
  async carry({ key, windowMs, hits }: CountedHits): Promise<void> {
    const entries = hits.flatMap(({ ageMs, count }) => [Math.floor(ageMs * 1000), count]);
    await CARRIES.run(this.client, [key], [Math.ceil(windowMs), ...entries]);
  }
}
