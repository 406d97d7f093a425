import { randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';
import { BEAT } from './redis-limit.scripts.js';
import { RedisScript } from '../redis/index.js';

const KEY = '{limits}:processes';
const CONTENT = '{limits}:content';
/** After this long without a beat a process is gone, in ms. */
const GONE_MS = 15_000;
const SCRIPT = new RedisScript(BEAT);

/** How many processes count together, as Redis knew when it was last asked. */
export class ProcessCensus {
  /** Between two beats, in ms; two may be lost. */
  static readonly BEAT_MS = 5000;
  private readonly id = randomUUID();
  private known = 1;
  private knownSince = -Infinity;
  private contentName?: string;

  constructor(private readonly client: Redis) {}

  /** At least 1: this one. */
  get count(): number {
    return this.known;
  }

  /** Differs from what it was before when Redis has lost what it held; undefined before the first beat. */
  get content(): string | undefined {
    return this.contentName;
  }

  /**
   * Says that this process is there, and asks who else is.
   *
   * @throws Error when Redis does not answer, or cannot write
   */
  async beat(): Promise<void> {
    const args = [this.id, GONE_MS, randomUUID()];
    const [count, content] = (await SCRIPT.run(this.client, [KEY, CONTENT], args)) as [number, string];
    this.contentName = content;
    const now = performance.now();
    // A Redis that came back empty knows of the others only once they have said so.
    if (count < this.known && now - this.knownSince < GONE_MS) return;
    this.known = Math.max(1, count);
    this.knownSince = now;
  }

  /** Says that it ends. Does not fail: without it, it is gone a little later. */
  async leave(): Promise<void> {
    await this.client.zrem(KEY, this.id).catch(() => undefined);
  }
}
