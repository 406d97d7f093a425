import { setTimeout as sleep } from 'node:timers/promises';
import type { PreparedDatabase } from '../database/index.js';
import { Interrupted } from './exit-codes.js';
import type { Terminal } from './terminal.js';

const POLL_MS = 60;
/** Past this long without a sign of life from a service, the command does the work, in ms. */
export const SILENT_MS = 10_000;

/** Work that is waited for. */
export interface WatchedWork<State> {
  /** How far it is. */
  look(): Promise<State>;
  isOver(state: State): boolean;
  /** Called at every look. @param fresh whether it is further than at the look before */
  report(state: State, fresh: boolean): void;
  /** Instead of SILENT_MS. */
  patienceMs?(state: State): number;
  /** Said to whoever waits no longer: what becomes of it, and how to wait for it again. */
  interrupted: string;
}

/** Waits for work that a service does, and has the command do it where there is no service, or none takes it up. */
export class WorkWatch {
  private working = false;

  /** @param work starts doing it, outside the command's scope: whatever else is taken up is not this person's doing */
  constructor(
    private readonly terminal: Terminal,
    private readonly database: PreparedDatabase,
    private readonly work: () => void,
  ) {}

  /** Whether no service did the work. */
  get alone(): boolean {
    return this.working;
  }

  /**
   * @returns how it ended
   * @throws Interrupted
   */
  async settle<State>(work: WatchedWork<State>): Promise<State> {
    const signal = this.terminal.interrupted;
    if (this.database.started) this.takeUp('No service is running: this command does the work.');
    let last: string | undefined;
    let since = performance.now();
    for (;;) {
      const state = await work.look();
      const sign = JSON.stringify(state);
      const fresh = sign !== last;
      work.report(state, fresh);
      if (work.isOver(state)) return state;
      if (fresh) [last, since] = [sign, performance.now()];
      else if (performance.now() - since > (work.patienceMs?.(state) ?? SILENT_MS)) {
        this.takeUp('No service takes it up: this command does the work.');
      }
      if (signal.aborted) throw new Interrupted(work.interrupted);
      await sleep(POLL_MS, undefined, { signal }).catch(() => undefined);
    }
  }

  private takeUp(reason: string): void {
    if (this.working) return;
    this.working = true;
    this.terminal.note(reason);
    this.work();
  }
}
