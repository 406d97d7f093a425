import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { STEP_NAMES, type StepHandler, type StepName } from './provisioning.step.js';

/**
 * Who does which step. The slice that owns what a step makes registers it when its module starts; the last, which puts
 * the tenant into service, is the Provisioner's own.
 */
@Injectable()
export class ProvisioningSteps implements OnApplicationBootstrap {
  private readonly handlers = new Map<StepName, StepHandler>();

  /** @param handler runs outside every transaction, and in no tenant's scope */
  register(name: Exclude<StepName, 'activate'>, handler: StepHandler): void {
    if (this.handlers.has(name)) throw new Error(`Provisioning step ${name} has two handlers.`);
    this.handlers.set(name, handler);
  }

  find(name: StepName): StepHandler {
    const handler = this.handlers.get(name);
    if (!handler) throw new Error(`Provisioning step ${name} has no handler.`);
    return handler;
  }

  onApplicationBootstrap(): void {
    for (const name of STEP_NAMES) if (name !== 'activate') this.find(name);
  }
}
