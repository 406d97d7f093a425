import { createHash } from 'node:crypto';
import type { Redis } from 'ioredis';

/** A script that Redis knows by its hash once it has seen it. */
export class RedisScript {
  private readonly sha: string;

  constructor(private readonly text: string) {
    this.sha = createHash('sha1').update(text).digest('hex');
  }

  /**
   * Runs it as one step, in one round trip unless Redis has forgotten it.
   *
   * @param keys all in one slot of a cluster
   * @throws Error when Redis does not answer, or cannot write
   */
  async run(client: Redis, keys: readonly string[], args: readonly (string | number)[]): Promise<unknown> {
    try {
      return await client.evalsha(this.sha, keys.length, ...keys, ...args);
    } catch (error) {
      if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
      return client.eval(this.text, keys.length, ...keys, ...args);
    }
  }
}
