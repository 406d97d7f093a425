import type { EntityManager, EntitySubscriberInterface, QueryRunner, TransactionCommitEvent } from 'typeorm';

type Waiting = (() => void)[];

const waiting = new WeakMap<QueryRunner, Waiting>();

/** Its entry goes with the query runner: TypeORM makes one for each transaction. */
class CommitListener implements EntitySubscriberInterface {
  afterTransactionCommit({ queryRunner }: TransactionCommitEvent): void {
    // The end of a savepoint is none of the transaction.
    if (queryRunner.isTransactionActive) return;
    const fns = waiting.get(queryRunner) ?? [];
    waiting.delete(queryRunner);
    for (const fn of fns) fn();
  }

  afterTransactionRollback({ queryRunner }: TransactionCommitEvent): void {
    if (!queryRunner.isTransactionActive) waiting.delete(queryRunner);
  }
}

/**
 * Runs `fn` once the transaction of `manager` on the control plane has committed, before whoever began it goes on, and
 * never after its rollback; at once when none is open.
 *
 * @param fn must not throw: what is committed can no longer fail
 */
export function afterCommit(manager: EntityManager, fn: () => void): void {
  const { queryRunner } = manager;
  if (!queryRunner?.isTransactionActive) return fn();
  const { subscribers } = manager.dataSource;
  if (!subscribers.some((subscriber) => subscriber instanceof CommitListener)) subscribers.push(new CommitListener());
  const fns = waiting.get(queryRunner);
  if (fns) fns.push(fn);
  else waiting.set(queryRunner, [fn]);
}
