import type pg from 'pg';
import { SteadyClient } from './steady.client.js';

/**
 * Settings of a session that holds what others wait for: its server lets go within half a minute of a client whose machine
 * or network is gone, instead of hours (PostgreSQL documentation, 19.3.2).
 */
export const KEEPALIVE = {
  tcp_keepalives_idle: '10',
  tcp_keepalives_interval: '5',
  tcp_keepalives_count: '3',
  tcp_user_timeout: '30000',
};

const CONFIGURE = 'SELECT set_config(name, value, false) FROM json_each_text($1) AS s (name, value)';

/** Gives a session settings that hold until it ends: only on a direct connection. */
export async function configure(client: pg.ClientBase, settings: Record<string, string>): Promise<void> {
  await client.query(CONFIGURE, [JSON.stringify(settings)]);
}

/**
 * Runs `work` on a connection of its own, and closes it.
 *
 * @param config beyond the address
 * @throws what connecting or `work` throws
 */
export async function withConnection<T>(
  url: string,
  work: (client: pg.Client) => Promise<T>,
  config: pg.ClientConfig = {},
): Promise<T> {
  const client = new SteadyClient({ connectionString: url, keepAlive: true, ...config });
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end().catch(() => undefined);
  }
}
