import { Injectable } from '@nestjs/common';
import { ChangePlanRequest, PlanView } from '../admin/index.js';
import { revisionOf } from '../common/index.js';
import { PlanRegistry } from '../tenant/index.js';
import { UsageFailure } from './exit-codes.js';
import { checked, daysOf, tagOf } from './input.js';
import { Table } from './table.js';
import { Terminal } from './terminal.js';

export interface PlanOptions {
  trialDays?: string;
  archiveAfterDays?: string;
  purgeAfterDays?: string;
  rollBackAfterDays?: string;
  reservedConnections?: string;
  reservedWorkers?: string;
  ifMatch?: string;
}

const TITLES = [
  'PLAN',
  'TRIAL DAYS',
  'ARCHIVED AFTER',
  'PURGED AFTER',
  'ROLLED BACK AFTER',
  'CONNECTIONS',
  'WORKERS',
  'ETAG',
];

/** The plans, and what they say of the life of their tenants. */
@Injectable()
export class PlanCommands {
  constructor(
    private readonly terminal: Terminal,
    private readonly plans: PlanRegistry,
  ) {}

  async list(): Promise<void> {
    const items = (await this.plans.list()).map((plan) => PlanView.of(plan));
    await this.terminal.show(() => new Table(TITLES).rows(items.map(row)), { items, next_cursor: null });
  }

  async edit(name: string, options: PlanOptions): Promise<void> {
    const rules = {
      trial_days: daysOf(options.trialDays),
      archive_after_days: daysOf(options.archiveAfterDays),
      purge_after_days: daysOf(options.purgeAfterDays),
      roll_back_after_days: daysOf(options.rollBackAfterDays),
      reserved_connections: daysOf(options.reservedConnections),
      reserved_workers: daysOf(options.reservedWorkers),
    };
    if (Object.values(rules).every((value) => value === undefined)) throw new UsageFailure('Nothing to change.');
    const body = await checked(ChangePlanRequest, rules);
    const plan = PlanView.of(await this.plans.edit(name, body, revisionOf(tagOf(options.ifMatch))));
    await this.terminal.show(() => new Table(TITLES).rows([row(plan)]), plan);
  }
}

function row(plan: PlanView): string[] {
  const days = (value: number | null): string => (value === null ? 'never' : `${value} days`);
  const lives = [days(plan.archive_after_days), days(plan.purge_after_days), days(plan.roll_back_after_days)];
  const reserved = [String(plan.reserved_connections), String(plan.reserved_workers)];
  return [plan.name, String(plan.trial_days), ...lives, ...reserved, plan.etag];
}
