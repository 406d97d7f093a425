import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { STEP_NAMES, type StepHandler, type StepName } from './provisioning.step.js';

/** How long a step may take, in ms; one that works through much data by pages says so and has longer. */
const STEP_MS = 60_000;
export const LONG_STEP_MS = 600_000;

export interface RegisteredStep {
  handler: StepHandler;
  timeoutMs: number;
}

/**
 * Who does which step. The slice that owns what a step makes registers it when its module starts; the last, which puts
 * the tenant into service, is the Provisioner's own.
 */
@Injectable()
export class ProvisioningSteps implements OnApplicationBootstrap {
  private readonly handlers = new Map<StepName, RegisteredStep>();

  /** @param handler runs outside every transaction, and in no tenant's scope */
  register(name: Exclude<StepName, 'activate'>, handler: StepHandler, timeoutMs = STEP_MS): void {
    if (this.handlers.has(name)) throw new Error(`Provisioning step ${name} has two handlers.`);
    this.handlers.set(name, { handler, timeoutMs });
  }

  find(name: StepName): RegisteredStep {
    const step = this.handlers.get(name);
    if (!step) throw new Error(`Provisioning step ${name} has no handler.`);
    return step;
  }

  onApplicationBootstrap(): void {
    for (const name of STEP_NAMES) if (name !== 'activate') this.find(name);
  }
}
