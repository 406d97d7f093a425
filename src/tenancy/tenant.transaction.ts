import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import type { TenantUnit } from './tenancy.store.js';
import { TenantTransactionEnded, TransactionOpenDuringCall } from './tenancy.errors.js';
import { TenantContext } from './tenant.context.js';
import { TenantDataSource } from './tenant.data-source.js';
import { TenantRunner } from './tenant.runner.js';

/** A unit of work of the current tenant. Repositories used inside take part by themselves. */
@Injectable()
export class TenantTransaction {
  constructor(
    private readonly source: TenantDataSource,
    private readonly context: TenantContext,
    private readonly runner: TenantRunner,
  ) {}

  /**
   * Runs `fn` in one transaction; nested calls join it. Rolled back when `fn` throws.
   *
   * @throws TenantContextMissing outside a tenant scope
   */
  async run<T>(fn: () => Promise<T>): Promise<T> {
    this.context.currentOrThrow('A tenant transaction');
    if (this.openUnit()) return fn();
    const unit: TenantUnit = { runner: this.source.createQueryRunner(), ended: false, committed: [] };
    try {
      await unit.runner.startTransaction();
      const result = await this.runner.runUnit(unit, fn);
      unit.ended = true;
      await unit.runner.commitTransaction();
      for (const fn of unit.committed) fn();
      return result;
    } catch (error) {
      unit.ended = true;
      if (unit.runner.isTransactionActive) await unit.runner.rollbackTransaction().catch(() => undefined);
      throw error;
    } finally {
      await unit.runner.release();
    }
  }

  /**
   * Runs `fn` once the current unit of work has committed, at once when none is open, and never after a rollback.
   *
   * @param fn must not throw: what is committed can no longer fail
   */
  afterCommit(fn: () => void): void {
    const unit = this.openUnit();
    if (unit) unit.committed.push(fn);
    else fn();
  }

  /**
   * One parameterised statement in the current unit of work, or in a transaction of its own within one network flight.
   * Raw SQL has only row-level security between it and other tenants, so its callers are listed in a test.
   */
  async query<Row>(sql: string, parameters: unknown[] = []): Promise<Row[]> {
    const unit = this.openUnit();
    if (!unit) return this.source.queryAlone<Row>(sql, parameters);
    const { records } = (await unit.runner.query(sql, parameters, true)) as { records: Row[] };
    return records;
  }

  /** The entity manager of the current unit of work, or one whose statements each have their own transaction. */
  manager(): EntityManager {
    return this.openUnit()?.runner.manager ?? this.source.manager;
  }

  /** @throws TransactionOpenDuringCall when a transaction is open; call before anything that leaves the process */
  assertNone(what: string): void {
    if (this.openUnit()) throw new TransactionOpenDuringCall(what);
  }

  private openUnit(): TenantUnit | undefined {
    const unit = this.context.store()?.unit;
    if (unit?.ended) throw new TenantTransactionEnded();
    return unit;
  }
}
