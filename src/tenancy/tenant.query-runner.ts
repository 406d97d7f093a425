import type { Writable } from 'node:stream';
import { type Client, escapeLiteral, type PoolClient, type QueryConfig, type QueryResult as PgResult } from 'pg';
import { QueryFailedError, QueryResult, QueryRunnerAlreadyReleasedError, TransactionNotStartedError } from 'typeorm';
import { PostgresQueryRunner } from 'typeorm/driver/postgres/PostgresQueryRunner.js';
import { isUuid } from '../common/index.js';
import { failureOf } from './statement.failure.js';
import {
  IsolationLevelRefused,
  TenantContextMissing,
  TenantMismatch,
  TenantTransactionEnded,
  TransactionByRawSql,
} from './tenancy.errors.js';
import { boundOf, STATEMENT_TIMEOUT } from './tenant.bounds.js';
import type { TenantDataSource } from './tenant.data-source.js';
import { isTurnedAway } from './tenant.fence.js';
import { sendAlone } from './tenant.statement.js';
import { schemaOf, type Tenant } from './tenant.js';
import { shareOf } from './tenant.share.js';

type IsolationLevel = 'READ UNCOMMITTED' | 'READ COMMITTED' | 'REPEATABLE READ' | 'SERIALIZABLE';

/**
 * The one road of tenant-owned SQL. A single statement travels with the entry into its tenant's scope in one network
 * flight, as a transaction of its own; in an explicit transaction the first statement carries BEGIN and the entry with it.
 * The scope is transaction-local, so nothing stays on a pooled connection. Where the entry is refused because the tenant
 * is moving, nothing has happened, and it is repeated wherever the tenant is by then.
 */
export class TenantQueryRunner extends PostgresQueryRunner {
  /** The tenant of the open transaction; statements of any other are refused. */
  private bound: Tenant | undefined;
  private beginPending = false;
  /** The flight with BEGIN, until it is answered: what follows it waits, in case it has to be repeated elsewhere. */
  private opening: Promise<unknown> | undefined;
  /** Counts beginnings and ends of transactions. */
  private epoch = 0;
  private lease: Promise<PoolClient> | undefined;
  /** The tenant where it was found to be after it had moved. */
  private at: Tenant | undefined;

  constructor(private readonly source: TenantDataSource) {
    super(source.driver as never, 'master');
  }

  override async query(
    query: string,
    parameters?: unknown[],
    useStructuredResult?: boolean,
    // eslint-disable-next-line @typescript-eslint/no-explicit-any -- the inherited signature is overloaded on the flag
  ): Promise<any> {
    if (this.isReleased) throw new QueryRunnerAlreadyReleasedError();
    const tenant = this.source.context.currentOrThrow('Tenant-owned SQL');
    if (this.bound && this.bound.id !== tenant.id) throw new TenantMismatch('The open transaction');
    this.source.logger.logQuery(query, parameters, this);
    const raw = await this.inTurn({ tenant, epoch: this.epoch, text: query, values: parameters ?? [] });
    const result = new QueryResult();
    result.records = raw.rows;
    result.affected = raw.rowCount ?? undefined;
    result.raw = raw.command === 'DELETE' || raw.command === 'UPDATE' ? [raw.rows, raw.rowCount] : raw.rows;
    return useStructuredResult ? result : result.raw;
  }

  override async startTransaction(isolationLevel?: IsolationLevel): Promise<void> {
    const tenant = this.source.context.currentOrThrow('A tenant transaction');
    // A snapshot from before the entry would not see that the tenant has moved away.
    if (isolationLevel !== undefined && isolationLevel !== 'READ COMMITTED') throw new IsolationLevelRefused();
    if (this.transactionDepth === 0) {
      this.bound = tenant;
      this.beginPending = true;
      this.isTransactionActive = true;
      this.epoch += 1;
    } else {
      // eslint-disable-next-line no-restricted-syntax -- a savepoint's name is our own counter
      await this.query(`SAVEPOINT tenantry_${this.transactionDepth}`);
    }
    this.transactionDepth += 1;
  }

  override async commitTransaction(): Promise<void> {
    if (!this.isTransactionActive) throw new TransactionNotStartedError();
    if (this.transactionDepth > 1) {
      // eslint-disable-next-line no-restricted-syntax -- a savepoint's name is our own counter
      await this.query(`RELEASE SAVEPOINT tenantry_${this.transactionDepth - 1}`);
      this.transactionDepth -= 1;
      return;
    }
    const begun = !this.beginPending;
    this.endTransaction();
    if (!begun || !this.lease) return;
    const client = await this.lease;
    const done = await client.query('COMMIT');
    // PostgreSQL answers COMMIT of a failed transaction with ROLLBACK and no error.
    if (done.command !== 'COMMIT') throw new QueryFailedError('COMMIT', [], new Error('transaction was rolled back'));
  }

  override async rollbackTransaction(): Promise<void> {
    if (!this.isTransactionActive) throw new TransactionNotStartedError();
    if (this.transactionDepth > 1) {
      // eslint-disable-next-line no-restricted-syntax -- a savepoint's name is our own counter
      await this.query(`ROLLBACK TO SAVEPOINT tenantry_${this.transactionDepth - 1}`);
      this.transactionDepth -= 1;
      return;
    }
    const begun = !this.beginPending;
    this.endTransaction();
    if (begun && this.lease) await (await this.lease).query('ROLLBACK');
  }

  override async release(): Promise<void> {
    if (this.isReleased) return;
    this.isReleased = true;
    const client = await this.lease?.catch(() => undefined);
    if (!client) return;
    // A transaction still open here has lost its owner: the connection must not go back to the pool.
    client.release(this.isTransactionActive || this.broken ? (this.broken ?? true) : undefined);
    this.lease = undefined;
  }

  override connect(): Promise<unknown> {
    return this.connectTo(this.source.context.currentOrThrow('A tenant connection'));
  }

  override stream(): never {
    throw new Error('Streaming holds a portal open and cannot share a pipelined connection; page instead.');
  }

  private broken: Error | undefined;

  private connectTo(tenant: Tenant): Promise<PoolClient> {
    return (this.lease ??= this.source.connections.acquire(tenant.placement, tenant.plan, shareOf(tenant)));
  }

  /** In a transaction, whatever is asked before it has begun waits until it has. */
  private async inTurn(statement: Statement): Promise<PgResult> {
    if (!this.isTransactionActive) return this.sendOrFollow(statement);
    while (this.opening) await this.opening;
    if (!this.beginPending) return this.sendOrFollow(statement);
    const sent = this.sendOrFollow({ ...statement, opens: true });
    const opening = sent.then(
      () => undefined,
      () => undefined,
    );
    this.opening = opening;
    void opening.then(() => this.opening === opening && (this.opening = undefined));
    return sent;
  }

  private async sendOrFollow(statement: Statement): Promise<PgResult> {
    try {
      return await this.sendAt(this.at ?? statement.tenant, statement);
    } catch (error) {
      if (!isTurnedAway(error)) throw error;
      return this.source.fence.follow(statement.tenant, error, (at) => this.sendAt((this.at = at), statement));
    }
  }

  private async sendAt(tenant: Tenant, { epoch, text, values, opens = false }: Statement): Promise<PgResult> {
    this.assertOpen(epoch);
    const client = await this.connectTo(tenant);
    this.assertOpen(epoch);
    const since = performance.now();
    try {
      return await (opens ? this.open(client, tenant, text, values) : this.send(client, tenant, text, values));
    } catch (error) {
      if (isTurnedAway(error)) {
        await this.leave(client, opens);
        throw error;
      }
      this.source.logger.logQueryError(error as Error, text, values, this);
      throw failureOf(error as Error, { tenant, text, values, since });
    }
  }

  /** While a statement waited, its unit of work may have ended: it must not run on its own. */
  private assertOpen(epoch: number): void {
    if (this.isReleased || epoch !== this.epoch) throw new TenantTransactionEnded();
  }

  private async open(client: PoolClient, tenant: Tenant, text: string, values: unknown[]): Promise<PgResult> {
    this.beginPending = false;
    const opening = beginFor(tenant);
    const flight = inOneWrite(client, () => [client.query(opening), client.query(extended(text, values))]);
    const [, result] = await settle(flight);
    return result as PgResult;
  }

  private async send(client: PoolClient, tenant: Tenant, text: string, values: unknown[]): Promise<PgResult> {
    if (this.isTransactionActive) return client.query(extended(text, values));
    try {
      return await sendAlone({ client }, tenant, text, values);
    } catch (error) {
      if (error instanceof TransactionByRawSql) this.broken = error;
      throw error;
    }
  }

  /** The tenant is not served from where the connection leads. */
  private async leave(client: PoolClient, opened: boolean): Promise<void> {
    const held = await this.lease;
    // Of several statements that were turned away together, the first has left.
    if (held !== client) return;
    this.lease = undefined;
    let failed: Error | undefined;
    if (opened) {
      this.beginPending = true;
      await client.query('ROLLBACK').catch((error: Error) => (failed = error));
    }
    client.release(failed);
  }

  private endTransaction(): void {
    this.epoch += 1;
    this.transactionDepth = 0;
    this.isTransactionActive = false;
    this.beginPending = false;
    this.opening = undefined;
    this.bound = undefined;
  }
}

/** A statement, and the unit of work that it was asked in. */
interface Statement {
  tenant: Tenant;
  epoch: number;
  text: string;
  values: unknown[];
  /** Whether BEGIN goes with it. */
  opens?: boolean;
}

/** Extended protocol always: one statement per message, whatever an author concatenated. */
function extended(text: string, values: unknown[]): QueryConfig {
  return { text, values, queryMode: 'extended' } as QueryConfig;
}

function beginFor(tenant: Tenant): string {
  // The id goes into SQL text because one message of several statements takes no parameters; the shape check is what
  // makes that safe.
  if (!isUuid(tenant.id)) throw new TenantContextMissing('A tenant whose id is not a UUID');
  const timeout = `SET LOCAL statement_timeout = ${boundOf(tenant, STATEMENT_TIMEOUT)}`;
  // The entry has to see what was committed until it got its lock, whatever the server's default is.
  return `BEGIN ISOLATION LEVEL READ COMMITTED;${timeout};SELECT shared.enter('${tenant.id}',${escapeLiteral(schemaOf(tenant.placement))})`;
}

/** Holds the socket until all messages of the flight are queued: one system call instead of one each. */
function inOneWrite<T>(client: Client | PoolClient, fn: () => T): T {
  const { stream } = (client as unknown as { connection: { stream: Writable } }).connection;
  stream.cork();
  try {
    return fn();
  } finally {
    stream.uncork();
  }
}

/** Awaits all, so that no reply of the flight is left unhandled, then throws the first failure. */
async function settle(flight: Promise<PgResult>[]): Promise<PgResult[]> {
  const outcomes = await Promise.allSettled(flight);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
  return outcomes.map((outcome) => (outcome as PromiseFulfilledResult<PgResult>).value);
}
