import { performance } from 'node:perf_hooks';

/** How busy the thread of this process was since it was last asked, from 0 to 1. */
export type Busyness = () => number;

/** Shares of time. With more, who arrives finds a queue before the thread, whoever it is. */
const BUSY = 0.6;
/** With less, there is room for more work. */
const IDLE = 0.5;
/** Of what has been, in an average that each look moves on: it looks back over some ten of them. */
const MEMORY = 0.8;
/** What begins between two looks, at first while the thread is kept, and at least. */
const [FIRST, LEAST] = [4, 0.5];
/** At least this much of what others begin. */
const LEAST_SHARE = 1 / 4;

/** Of {@link performance.eventLoopUtilization}, each time since the time before. */
export function threadBusyness(): Busyness {
  let before = performance.eventLoopUtilization();
  return () => {
    const now = performance.eventLoopUtilization();
    const { utilization } = performance.eventLoopUtilization(now, before);
    before = now;
    return utilization;
  };
}

/**
 * How much may begin at the one thread that serves everybody. As much as wants to, until it is to be kept: then as little
 * as leaves it idle for a part of the time, so that others find it free.
 */
export class ThreadBudget {
  private perLook = Infinity;
  private left = Infinity;
  private busy = 0;
  /** What others began between two looks, on average. */
  private others = 0;

  constructor(private readonly busyness: Busyness = threadBusyness()) {}

  /** Whether anything has to wait for it. */
  get isKept(): boolean {
    return this.perLook !== Infinity;
  }

  /** Whether one more may begin now. */
  get isLeft(): boolean {
    return this.left >= 1;
  }

  spend(): void {
    this.left -= 1;
  }

  /**
   * To be called every few ms while anybody could have to be kept from the thread.
   *
   * @param keep whether anybody has to @param others how many began since the last look who did not have to ask
   */
  look(keep: boolean, others: number): void {
    this.busy = MEMORY * this.busy + (1 - MEMORY) * this.busyness();
    this.others = MEMORY * this.others + (1 - MEMORY) * others;
    const least = Math.max(LEAST, this.others * LEAST_SHARE);
    if (!keep) this.perLook = Infinity;
    else if (this.busy > BUSY) this.perLook = Math.max(least, Math.min(this.perLook, FIRST) * 0.8);
    else if (this.isKept && this.busy < IDLE) this.perLook *= 1.05;
    // What was not used is not kept for later, save a part of one.
    if (!this.isKept) this.left = Infinity;
    else this.left = (this.left < 1 ? Math.max(0, this.left) : 0) + this.perLook;
  }
}
