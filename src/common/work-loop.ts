/** A wait is shorter by at most this share, so that processes do not ask in step. */
const JITTER = 0.25;
/** After failures in a row the wait doubles up to so many times `pollMs`. */
const MAX_BACK_OFF = 8;

export interface Work {
  /** Starts what there is to do. @returns whether there may be more to do at once */
  pass(): Promise<boolean>;
  /** A pass failed and none had since the last success: what keeps failing is told once. */
  failed(error: unknown): void;
  /** How long to wait, in ms, before looking unasked. */
  pollMs: number;
}

/** Looks for work when woken, and every now and then unasked. One pass at a time. */
export class WorkLoop {
  private loop: Promise<void> = Promise.resolve();
  private started = false;
  private ending = false;
  private awake = false;
  private failures = 0;
  private rouse: (() => void) | undefined;

  constructor(private readonly work: Work) {}

  get stopped(): boolean {
    return this.ending;
  }

  /** Works from now on, until stopped. Once started, or stopped, it does nothing. */
  start(): void {
    if (this.started || this.ending) return;
    this.started = true;
    this.loop = this.run();
  }

  /** Asks for a pass now. Only sets a flag: the work must not run in the caller's scope. */
  wake(): void {
    this.awake = true;
    // What cannot be read is not asked for more often because there is more of it.
    if (this.failures === 0) this.rouse?.();
  }

  /** Resolves when the pass under way has ended; none begins any more. */
  async stop(): Promise<void> {
    this.ending = true;
    this.rouse?.();
    await this.loop;
  }

  private async run(): Promise<void> {
    while (!this.ending) {
      this.awake = false;
      let more = false;
      try {
        more = await this.work.pass();
        this.failures = 0;
      } catch (error) {
        if (this.failures === 0) this.work.failed(error);
        this.failures += 1;
      }
      if (!more) await this.pause();
    }
  }

  private async pause(): Promise<void> {
    if (this.ending || (this.awake && this.failures === 0)) return;
    const backOff = Math.min(2 ** Math.max(0, this.failures - 1), MAX_BACK_OFF);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, this.work.pollMs * backOff * (1 - Math.random() * JITTER)).unref();
      this.rouse = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.rouse = undefined;
  }
}
