import pg, { type Client, type DatabaseError, type PoolClient, type QueryResult, type Submittable } from 'pg';
import { serialize } from 'pg-protocol';
import { isUuid } from '../common/index.js';
import { type Loss, type Preparation, type PreparedStatements, UNPREPARED } from './prepared.statements.js';
import { TenantContextMissing, TransactionByRawSql } from './tenancy.errors.js';
import { boundOf, STATEMENT_TIMEOUT } from './tenant.bounds.js';
import { ENTER_FOR } from './tenant.fence.js';
import { schemaOf, type Tenant } from './tenant.js';

type Callback = (error: Error | null, result?: QueryResult) => void;

/** What the driver's own query class does for the extended protocol; its types leave it out. */
interface Messages {
  parse(message: { text: string }): void;
  bind(message: object): void;
  describe(message: { type: 'P' | 'S'; name: string }): void;
  execute(message: object): void;
  close(message: { type: 'P' | 'S'; name?: string }): void;
  sync(): void;
}
interface DriverConnection {
  readonly stream: { write(bytes: Buffer): void };
}
interface DriverQuery {
  prepare(connection: unknown): void;
  handleDataRow(message: unknown): void;
  handleCommandComplete(message: unknown, connection: unknown): void;
}

const DriverQuery = pg.Query as unknown as new (
  config: { text: string; values: unknown[]; queryMode: 'extended' },
  values: undefined,
  callback: Callback,
) => DriverQuery;

// SQLSTATEs (PostgreSQL documentation, appendix A).
const INVALID_STATEMENT_NAME = '26000';
const DUPLICATE_STATEMENT = '42P05';
const FEATURE_NOT_SUPPORTED = '0A000';

interface Flight {
  tenantId: string;
  /** That the tenant's tables are in. */
  schema: string;
  /** What the statement may take, in ms. */
  timeoutMs: number;
  text: string;
  values: unknown[];
  /** How the entry into the tenant's scope is prepared, and how the statement is. */
  scope: Preparation;
  statement: Preparation;
}

/**
 * One statement in the scope of one tenant, as a transaction of its own in one message: entry, statement and one Sync.
 * Between two Syncs PostgreSQL runs everything in one implicit transaction (PostgreSQL documentation, 54.2.3), so the
 * scope is gone with it, the answer comes after the commit, and there is no BEGIN or COMMIT to pay for.
 */
export class TenantStatement extends DriverQuery {
  private opened = false;

  /** @param callback called once, with the result after the commit, or with the first error */
  constructor(
    private readonly flight: Flight,
    callback: Callback,
  ) {
    super({ text: flight.text, values: flight.values, queryMode: 'extended' }, undefined, callback);
  }

  override prepare(connection: DriverConnection): void {
    const { tenantId, schema, timeoutMs, scope, statement } = this.flight;
    const messages: Buffer[] = [];
    const add = (message: Buffer): void => void messages.push(message);
    const ready = ({ name, parse, close }: Preparation, text: string): void => {
      for (const gone of close) add(serialize.close({ type: 'S', name: gone }));
      if (parse) add(serialize.parse({ name, text }));
    };
    ready(scope, ENTER_FOR);
    add(serialize.bind({ statement: scope.name, values: [tenantId, schema, String(timeoutMs)] }));
    add(serialize.execute());
    const own: Messages = {
      parse: ({ text }) => ready(statement, text),
      bind: (message) => add(serialize.bind({ ...message, statement: statement.name })),
      describe: (message) => add(serialize.describe(message)),
      execute: (message) => add(serialize.execute(message)),
      close: (message) => add(serialize.close(message)),
      sync: () => add(serialize.sync()),
    };
    super.prepare(own);
    // One write: handing the socket message after message costs more than all else that the driver does.
    connection.stream.write(Buffer.concat(messages));
  }

  // The first row and the first completion belong to the entry.
  override handleDataRow(message: unknown): void {
    if (this.opened) super.handleDataRow(message);
  }

  override handleCommandComplete(message: unknown, connection: unknown): void {
    if (this.opened) super.handleCommandComplete(message, connection);
    else this.opened = true;
  }
}

/** A connection, and the statements that it keeps prepared, if it keeps any. */
export interface StatementTarget {
  client: Client | PoolClient;
  prepared?: PreparedStatements | undefined;
}

/**
 * Sends one statement in the scope of `tenant`, as a transaction of its own.
 *
 * @throws TransactionByRawSql when the statement left a transaction open: its connection must not serve anybody else
 */
export async function sendAlone(
  { client, prepared }: StatementTarget,
  tenant: Tenant,
  text: string,
  values: unknown[],
): Promise<QueryResult> {
  if (!isUuid(tenant.id)) throw new TenantContextMissing('A tenant whose id is not a UUID');
  const schema = schemaOf(tenant.placement);
  const flight = { tenantId: tenant.id, schema, timeoutMs: boundOf(tenant, STATEMENT_TIMEOUT), text, values };
  if (!prepared) return send(client, { ...flight, scope: UNPREPARED, statement: UNPREPARED });
  const scope = prepared.use(ENTER_FOR);
  // A plan holds for one schema. Under one name for all of them it would be made anew whenever the schema changes.
  const statement = prepared.use(text, schema);
  try {
    const result = await send(client, { ...flight, scope, statement });
    prepared.succeeded(scope);
    prepared.succeeded(statement);
    return result;
  } catch (error) {
    const lost = lossOf(error as Partial<DatabaseError>);
    prepared.failed(scope, lost);
    prepared.failed(statement, lost);
    if (!lost) throw error;
    // The whole flight was one transaction, so nothing of it happened.
    return send(client, { ...flight, scope: UNPREPARED, statement: UNPREPARED });
  }
}

function send(client: Client | PoolClient, flight: Flight): Promise<QueryResult> {
  return new Promise((resolve, reject) => {
    const statement = new TenantStatement(flight, (error, result) => {
      if (error) reject(error);
      else if (client.getTransactionStatus() !== 'I') reject(new TransactionByRawSql());
      else resolve(result as QueryResult);
    });
    client.query(statement as unknown as Submittable);
  });
}

/** Whether a statement failed for its preparation alone. */
function lossOf({ code, message }: Partial<DatabaseError>): Loss | undefined {
  if (code === INVALID_STATEMENT_NAME || code === DUPLICATE_STATEMENT) return 'elsewhere';
  return code === FEATURE_NOT_SUPPORTED && message?.startsWith('cached plan') ? 'outdated' : undefined;
}
