import { Inject, Injectable } from '@nestjs/common';
import { setTimeout as sleep } from 'node:timers/promises';
import { DATABASE, type PreparedDatabase } from '../database/index.js';
import { TenantRunner } from '../tenancy/index.js';
import { Provisioner, type ProvisioningState, type StepState, TenantProvisioning } from '../tenant/index.js';
import { Interrupted } from './exit-codes.js';
import { type Progress, Terminal } from './terminal.js';

const POLL_MS = 60;
/** Past this long without anybody taking it up, or a sign of life from whoever did, the command does the work, in ms. */
const UNTAKEN_MS = 3000;
const SILENT_MS = 10_000;

/** Waits for a provisioning. The service's Provisioner does the work, or the command's own where there is none. */
@Injectable()
export class ProvisioningWatch {
  private readonly work: () => void;
  private working = false;

  constructor(
    private readonly terminal: Terminal,
    private readonly provisioning: TenantProvisioning,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    provisioner: Provisioner,
    runner: TenantRunner,
  ) {
    // Bound here, outside the command's scope: whatever else it takes up is not this person's doing.
    this.work = runner.bind(() => provisioner.start());
  }

  /** Whether no service did the work, so that none is there to send the mail either. */
  get alone(): boolean {
    return this.working;
  }

  /**
   * @returns how it ended; undefined when the tenant is gone, or came from a file
   * @throws Interrupted
   */
  async settle(tenantId: string, name: string): Promise<ProvisioningState | undefined> {
    const { interrupted } = this.terminal;
    if (this.database.started) this.takeUp('No service is running: this command does the work.');
    const progress = this.terminal.progress();
    const seen = new Map<string, string>();
    let last = '';
    let since = performance.now();
    try {
      for (;;) {
        const state = await this.provisioning.progress(tenantId);
        if (!state || state.state === 'done' || state.state === 'failed') {
          if (state) report(progress, state, seen);
          return state;
        }
        report(progress, state, seen);
        const sign = JSON.stringify(state);
        if (sign !== last) [last, since] = [sign, performance.now()];
        else if (performance.now() - since > (state.attempts === 0 ? UNTAKEN_MS : SILENT_MS)) {
          this.takeUp('No service takes it up: this command does the work.');
        }
        if (interrupted.aborted) throw goesOn(name);
        await sleep(POLL_MS, undefined, { signal: interrupted }).catch(() => undefined);
      }
    } finally {
      progress.end();
    }
  }

  private takeUp(reason: string): void {
    if (this.working) return;
    this.working = true;
    this.terminal.note(reason);
    this.work();
  }
}

function report(progress: Progress, { steps, state }: ProvisioningState, seen: Map<string, string>): void {
  const done = steps.filter((step) => step.state === 'done').length;
  const current = steps.find((step) => step.state !== 'done');
  const text = state === 'undoing' ? 'undoing' : current ? (lineOf(current)?.trim() ?? current.name) : 'done';
  let told = false;
  for (const step of steps) {
    const line = lineOf(step);
    if (line === undefined || seen.get(step.name) === line) continue;
    seen.set(step.name, line);
    progress.update(done, steps.length, text, line);
    told = true;
  }
  if (!told) progress.update(done, steps.length, text);
}

function lineOf({ name, state, attempts, error }: StepState): string | undefined {
  if (state === 'done') return `  ${name}: done`;
  return state === 'failed' ? `  ${name}: failed, attempt ${attempts}: ${error ?? 'unknown'}` : undefined;
}

function goesOn(name: string): Interrupted {
  return new Interrupted(
    `Interrupted. The work on ${name} is not lost: a running service goes on with it, or the next one that starts; ` +
      `"tenants wait ${name}" waits for it again.`,
  );
}
