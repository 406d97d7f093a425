import pg from 'pg';

/**
 * A client whose connection may be lost at any moment: its statement fails then, and nothing else does. A connection that
 * is lost says so by an event as well, which ends the process where nobody listens. As the client of a pool, too: pg-pool
 * stops listening when it hands one out, a little before whoever gets it can begin.
 */
export class SteadyClient extends pg.Client {
  constructor(config?: string | pg.ClientConfig) {
    super(config);
    this.on('error', () => undefined);
  }
}
