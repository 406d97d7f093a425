import pg, { type Client, type PoolClient, type QueryResult, type Submittable } from 'pg';
import { isUuid } from '../common/index.js';
import { TenantContextMissing, TransactionByRawSql } from './tenancy.errors.js';
import type { Tenant } from './tenant.js';

type Callback = (error: Error | null, result?: QueryResult) => void;

/** What the driver's own query class does for the extended protocol; its types leave it out. */
interface Messages {
  parse(message: { name: string; text: string }): void;
  bind(message: { portal: string; statement: string; values: unknown[] }): void;
  execute(message: { portal: string; rows: number }): void;
}
interface DriverQuery {
  prepare(connection: Messages): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: Messages): void;
}

const DriverQuery = pg.Query as unknown as new (
  config: { text: string; values: unknown[]; queryMode: 'extended' },
  values: undefined,
  callback: Callback,
) => DriverQuery;

/**
 * One statement in the scope of one tenant, as a transaction of its own in one message: setting, statement and one Sync.
 * Between two Syncs PostgreSQL runs everything in one implicit transaction (PostgreSQL documentation, 54.2.3), so the
 * setting is gone with it, the answer comes after the commit, and there is no BEGIN or COMMIT to pay for.
 */
export class TenantStatement extends DriverQuery {
  private opened = false;

  /** @param callback called once, with the result after the commit, or with the first error */
  constructor(
    private readonly tenantId: string,
    text: string,
    values: unknown[],
    callback: Callback,
  ) {
    super({ text, values, queryMode: 'extended' }, undefined, callback);
  }

  override prepare(connection: Messages): void {
    connection.parse({ name: '', text: `SELECT set_config('app.tenant_id', $1, true)` });
    connection.bind({ portal: '', statement: '', values: [this.tenantId] });
    connection.execute({ portal: '', rows: 0 });
    super.prepare(connection);
  }

  // The first row and the first completion belong to the setting.
  override handleDataRow(message: unknown): void {
    if (this.opened) super.handleDataRow(message);
  }

  override handleCommandComplete(message: unknown, connection: Messages): void {
    if (this.opened) super.handleCommandComplete(message, connection);
    else this.opened = true;
  }
}

/**
 * Sends one statement in the scope of `tenant`, as a transaction of its own.
 *
 * @throws TransactionByRawSql when the statement left a transaction open: its connection must not serve anybody else
 */
export function sendAlone(
  client: Client | PoolClient,
  tenant: Tenant,
  text: string,
  values: unknown[],
): Promise<QueryResult> {
  if (!isUuid(tenant.id)) throw new TenantContextMissing('A tenant whose id is not a UUID');
  return new Promise((resolve, reject) => {
    const statement = new TenantStatement(tenant.id, text, values, (error, result) => {
      if (error) reject(error);
      else if (client.getTransactionStatus() !== 'I') reject(new TransactionByRawSql());
      else resolve(result as QueryResult);
    });
    client.query(statement as unknown as Submittable);
  });
}
