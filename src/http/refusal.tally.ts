import type { Logger } from 'pino';

/** How often refusals are told, in ms. */
const TELL_MS = 1000;

/** Counts what is refused to tenants that flood, for one line a second each: a line for each would slow everybody else. */
export class RefusalTally {
  private readonly counts = new Map<string, number>();

  constructor(private readonly logger: Logger) {}

  count(slug: string): void {
    if (this.counts.size === 0) setTimeout(() => this.tell(), TELL_MS).unref();
    this.counts.set(slug, (this.counts.get(slug) ?? 0) + 1);
  }

  private tell(): void {
    for (const [tenant, requests] of this.counts) this.logger.warn({ tenant, requests }, 'requests refused');
    this.counts.clear();
  }
}
