import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type PreparedDatabase } from '../database/index.js';
import { TenantRunner } from '../tenancy/index.js';
import { Provisioner, type ProvisioningState, type StepState, TenantProvisioning } from '../tenant/index.js';
import { type Progress, Terminal } from './terminal.js';
import { SILENT_MS, WorkWatch } from './work.watch.js';

/** Past this long without anybody taking it up, the command does the work, in ms. */
const UNTAKEN_MS = 3000;

/** Waits for a provisioning. The service's Provisioner does the work, or the command's own where there is none. */
@Injectable()
export class ProvisioningWatch {
  private readonly watch: WorkWatch;

  constructor(
    private readonly terminal: Terminal,
    private readonly provisioning: TenantProvisioning,
    @Inject(DATABASE) database: PreparedDatabase,
    provisioner: Provisioner,
    runner: TenantRunner,
  ) {
    this.watch = new WorkWatch(
      terminal,
      database,
      runner.bind(() => provisioner.start()),
    );
  }

  /** Whether no service did the work, so that none is there to send the mail either. */
  get alone(): boolean {
    return this.watch.alone;
  }

  /**
   * @returns how it ended; undefined when the tenant is gone, or came from a file
   * @throws Interrupted
   */
  async settle(tenantId: string, name: string): Promise<ProvisioningState | undefined> {
    const progress = this.terminal.progress();
    const seen = new Map<string, string>();
    try {
      return await this.watch.settle({
        look: () => this.provisioning.progress(tenantId),
        isOver: (state) => !state || state.state === 'done' || state.state === 'failed',
        report: (state) => state && report(progress, state, seen),
        patienceMs: (state) => (state?.attempts === 0 ? UNTAKEN_MS : SILENT_MS),
        interrupted:
          `Interrupted. The work on ${name} is not lost: a running service goes on with it, or the next one that starts; ` +
          `"tenants wait ${name}" waits for it again.`,
      });
    } finally {
      progress.end();
    }
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
