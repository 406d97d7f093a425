import pg from 'pg';
import { isUuid } from '../common/index.js';
import type { ServerAddress } from '../database/index.js';
import { ConnectionBroker } from './connection.broker.js';
import { Budget, type ConnectionTarget } from './connection.budget.js';
import type { ServerDirectory } from './tenant.connections.js';
import { DEFAULT_SERVER, type Placement, schemaOf, serverOf } from './tenant.js';

/** Connections at most: to the shared tables of one server, and to all databases of tenants together. */
const SHARED = 4;
const OWN = 4;

// The driver's types do not know of pipelining.
const CONFIG = { pipeline: true, keepAlive: true, connectionTimeoutMillis: 10_000 } as pg.ClientConfig;

/** The tables of one place, as the maintenance role sees them: the rows of all its tenants. */
export interface MaintainedPlace {
  /** A table's name with its schema, quoted. */
  table(name: string): string;
  query<Row extends pg.QueryResultRow>(sql: string, values: unknown[]): Promise<pg.QueryResult<Row>>;
  /**
   * One statement behind the fence of a tenant, in a transaction of its own and, past no pooler, in one network flight.
   *
   * @throws what the fence turns it away with, see `isTurnedAway`
   */
  queryFor<Row extends pg.QueryResultRow>(
    tenantId: string,
    sql: string,
    values: unknown[],
  ): Promise<pg.QueryResult<Row>>;
  /** What the fence calls the place. */
  readonly schema: string;
  /** Runs `work` on one connection, which nobody else uses meanwhile. */
  withClient<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T>;
}

/** Connections of the maintenance role, wherever tenants' rows are. For what works across tenants. */
export class MaintenanceConnections {
  private readonly broker = new ConnectionBroker(CONFIG);
  private readonly own = new Budget('maintenance', OWN);
  private readonly targets = new Map<string, ConnectionTarget>();

  constructor(
    private readonly primary: ServerAddress,
    private readonly servers: ServerDirectory,
  ) {}

  /** What `work` or a query throws is the driver's, also when the place cannot be reached. */
  at(placement: Placement): MaintainedPlace {
    const schema = schemaOf(placement);
    const withClient = async <T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> => {
      const client = await this.broker.acquire(await this.targetOf(placement));
      let failed: Error | undefined;
      try {
        return await work(client);
      } catch (error) {
        // What a failed transaction left open goes with its connection; an error of a statement alone leaves nothing.
        if (!(error instanceof pg.DatabaseError)) failed = error as Error;
        throw error;
      } finally {
        client.release(failed);
      }
    };
    return {
      schema,
      queryFor: (tenantId, sql, values) =>
        withClient((client) => behindFence(client, beginFor(tenantId, schema), sql, values)),
      table: (name) => `${pg.escapeIdentifier(schema)}.${pg.escapeIdentifier(name)}`,
      query: (sql, values) => withClient((client) => client.query(sql, values)),
      withClient,
    };
  }

  end(): Promise<void> {
    return this.broker.end();
  }

  private async targetOf(placement: Placement): Promise<ConnectionTarget> {
    const server = serverOf(placement);
    const database = placement.kind === 'database' ? placement.database : undefined;
    const key = `${server} ${database ?? ''}`;
    const known = this.targets.get(key);
    if (known) return known;
    const address = server === DEFAULT_SERVER ? this.primary : await this.servers.addressOf(server);
    const target: ConnectionTarget = {
      key,
      connectionString: address.url('maintenance', false, database),
      max: database === undefined ? SHARED : 2,
      budget: database === undefined ? new Budget(key, SHARED) : this.own,
    };
    this.targets.set(key, target);
    return target;
  }
}

function beginFor(tenantId: string, schema: string): string {
  // One message of several statements takes no parameters; the shape check is what makes that safe.
  if (!isUuid(tenantId)) throw new TypeError('A tenant is named by its UUID.');
  return `BEGIN ISOLATION LEVEL READ COMMITTED;SELECT shared.enter('${tenantId}',${pg.escapeLiteral(schema)})`;
}

async function behindFence<Row extends pg.QueryResultRow>(
  client: pg.PoolClient,
  begin: string,
  sql: string,
  values: unknown[],
): Promise<pg.QueryResult<Row>> {
  // All are asked before the first has answered; where that failed, COMMIT takes back what there is.
  const outcomes = await Promise.allSettled([
    client.query(begin),
    client.query<Row>(sql, values),
    client.query('COMMIT'),
  ]);
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed) throw failed.reason;
  return (outcomes[1] as PromiseFulfilledResult<pg.QueryResult<Row>>).value;
}
