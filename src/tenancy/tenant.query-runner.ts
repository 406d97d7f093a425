import type { Writable } from 'node:stream';
import { type Client, escapeIdentifier, type PoolClient, type QueryResult as PgResult } from 'pg';
import { QueryFailedError, QueryResult, QueryRunnerAlreadyReleasedError, TransactionNotStartedError } from 'typeorm';
import { PostgresQueryRunner } from 'typeorm/driver/postgres/PostgresQueryRunner.js';
import { isUuid } from '../common/index.js';
import { TenantContextMissing, TenantMismatch, TenantTransactionEnded, TransactionByRawSql } from './tenancy.errors.js';
import type { TenantDataSource } from './tenant.data-source.js';
import { sendAlone } from './tenant.statement.js';
import { searchPathOf, type Tenant } from './tenant.js';

type IsolationLevel = 'READ UNCOMMITTED' | 'READ COMMITTED' | 'REPEATABLE READ' | 'SERIALIZABLE';

/**
 * The one road of tenant-owned SQL. A single statement travels with its setting in one network flight, as a transaction of
 * its own; in an explicit transaction the first statement carries BEGIN and the setting with it. The setting is
 * transaction-local, so nothing stays on a pooled connection.
 */
export class TenantQueryRunner extends PostgresQueryRunner {
  /** The tenant of the open transaction; statements of any other are refused. */
  private bound: Tenant | undefined;
  private beginPending: string | undefined;
  /** Counts beginnings and ends of transactions. */
  private epoch = 0;
  private lease: Promise<PoolClient> | undefined;

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
    const { epoch } = this;
    const client = await this.connectTo(tenant);
    // While the connection was awaited, the unit of work may have ended: its statement must not run on its own.
    if (this.isReleased || epoch !== this.epoch) throw new TenantTransactionEnded();
    this.source.logger.logQuery(query, parameters, this);
    try {
      const raw = await this.send(client, tenant, query, parameters ?? []);
      const result = new QueryResult();
      result.records = raw.rows;
      result.affected = raw.rowCount ?? undefined;
      result.raw = raw.command === 'DELETE' || raw.command === 'UPDATE' ? [raw.rows, raw.rowCount] : raw.rows;
      return useStructuredResult ? result : result.raw;
    } catch (error) {
      this.source.logger.logQueryError(error as Error, query, parameters, this);
      throw new QueryFailedError(query, parameters, error as Error);
    }
  }

  override async startTransaction(isolationLevel?: IsolationLevel): Promise<void> {
    const tenant = this.source.context.currentOrThrow('A tenant transaction');
    if (this.transactionDepth === 0) {
      this.bound = tenant;
      this.beginPending = beginFor(tenant, isolationLevel);
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
    const begun = this.beginPending === undefined;
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
    const begun = this.beginPending === undefined;
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
    return (this.lease ??= this.source.connections.acquire(tenant.placement));
  }

  private async send(client: Client | PoolClient, tenant: Tenant, text: string, values: unknown[]): Promise<PgResult> {
    // Extended protocol always: one statement per message, whatever an author concatenated.
    const statement = { text, values, queryMode: 'extended' };
    if (this.isTransactionActive) {
      if (this.beginPending === undefined) return client.query(statement);
      const opening = this.beginPending;
      this.beginPending = undefined;
      const [, result] = await settle(inOneWrite(client, () => [client.query(opening), client.query(statement)]));
      return result as PgResult;
    }
    try {
      return await sendAlone({ client }, tenant, text, values);
    } catch (error) {
      if (error instanceof TransactionByRawSql) this.broken = error;
      throw error;
    }
  }

  private endTransaction(): void {
    this.epoch += 1;
    this.transactionDepth = 0;
    this.isTransactionActive = false;
    this.beginPending = undefined;
    this.bound = undefined;
  }
}

function beginFor(tenant: Tenant, isolationLevel?: IsolationLevel): string {
  // The id goes into SQL text because SET takes no parameters; the shape check is what makes that safe.
  if (!isUuid(tenant.id)) throw new TenantContextMissing('A tenant whose id is not a UUID');
  const level = isolationLevel ? ` ISOLATION LEVEL ${isolationLevel}` : '';
  const schema = searchPathOf(tenant.placement);
  // A schema's name is ours, too; quoting it costs nothing.
  const path = schema === undefined ? '' : `;SET LOCAL search_path=${escapeIdentifier(schema)}`;
  return `BEGIN${level};SET LOCAL app.tenant_id='${tenant.id}'${path}`;
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
