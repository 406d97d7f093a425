import { Inject, Injectable } from '@nestjs/common';
import pg from 'pg';
import {
  DATABASE,
  headOf,
  loginPassword,
  PlaceMigrator,
  type PreparedDatabase,
  scramVerifier,
  type ServerAddress,
} from '../../database/index.js';
import { type Place, schemaOf } from './place.js';
import { PlaceStore } from './place.store.js';
import { Servers } from './servers.js';

/** Tables that one transaction drops at most, each with its indexes and sequences: every one is a lock. */
const DROPPED_AT_ONCE = 50;

/**
 * Makes, migrates and drops schemas and databases of tenants. Every step may run again after a crash. Roles and databases
 * are made as the provisioner, tables as the migrator, who owns them.
 */
@Injectable()
export class PlaceBuilder {
  constructor(
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly servers: Servers,
    private readonly places: PlaceStore,
  ) {}

  /** The newest migration of tenant-owned tables. */
  get head(): string {
    return headOf(this.database.migrations);
  }

  /** Makes what is missing of the place, and brings it to head. */
  async build(place: Place): Promise<void> {
    const address = await this.servers.addressOf(place.server);
    if (place.login !== null) await this.makeLogin(address, place);
    if (place.kind === 'database') await this.makeDatabase(address, place);
    await this.migrate(place);
  }

  /** @returns names of the migrations that ran */
  async migrate(place: Place): Promise<string[]> {
    const started = performance.now();
    const address = await this.servers.addressOf(place.server);
    const url = address.url('migrator', true, place.kind === 'database' ? place.name : undefined);
    const migrator = await PlaceMigrator.connect(url, this.database.migrations);
    try {
      const ran = await migrator.toHead({ schema: schemaOf(place), login: place.login ?? undefined });
      await this.places.made(place, this.head, performance.now() - started);
      return ran;
    } finally {
      await migrator.close();
    }
  }

  /** Drops what is there of the place, and its entry last. */
  async drop(place: Place): Promise<void> {
    const address = await this.servers.addressOf(place.server);
    if (place.kind === 'database') {
      await this.asProvisioner(address, async (client) => {
        await client.query(`SET ROLE ${this.role('migrator')}`);
        await client.query(`DROP DATABASE IF EXISTS ${pg.escapeIdentifier(place.name)} WITH (FORCE)`);
      });
    } else {
      await this.dropSchema(address.url('migrator', true), place.name);
    }
    if (place.login !== null) await this.dropLogin(address, place.login);
    await this.places.forget(place);
  }

  private async makeLogin(address: ServerAddress, { login, kind, name }: Place): Promise<void> {
    const role = pg.escapeIdentifier(login!);
    const path = pg.escapeIdentifier(schemaOf({ kind, name }));
    await this.asProvisioner(address, async (client) => {
      const { rows } = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [login]);
      if (rows.length === 0) {
        const verifier = scramVerifier(loginPassword(login!, this.database.keys));
        const attributes = 'LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS NOINHERIT';
        await client.query(`CREATE ROLE ${role} ${attributes} PASSWORD '${verifier}'`);
      }
      await client.query(`ALTER ROLE ${role} SET search_path = ${path}`);
      await client.query(`ALTER ROLE ${role} SET statement_timeout = '30s'`);
      await client.query(`ALTER ROLE ${role} SET idle_in_transaction_session_timeout = '60s'`);
      if (kind === 'schema') await client.query(`GRANT CONNECT ON DATABASE ${currentOf(client)} TO ${role}`);
    });
  }

  /** Nobody but the tenant's login role may enter it, and those who look after it. */
  private async makeDatabase(address: ServerAddress, { name, login }: Place): Promise<void> {
    const database = pg.escapeIdentifier(name);
    await this.asProvisioner(address, async (client) => {
      const { rows } = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [name]);
      if (rows.length === 0) {
        await client.query(`CREATE DATABASE ${database} OWNER ${this.role('migrator')} TEMPLATE template0`);
      }
      await client.query(`SET ROLE ${this.role('migrator')}`);
      await client.query(`REVOKE ALL ON DATABASE ${database} FROM PUBLIC`);
      const guests = `${pg.escapeIdentifier(login!)}, ${this.role('maintenance')}`;
      await client.query(`GRANT CONNECT ON DATABASE ${database} TO ${guests}`);
    });
  }

  private async dropSchema(url: string, schema: string): Promise<void> {
    const client = await connect(url);
    try {
      const of = pg.escapeIdentifier(schema);
      for (;;) {
        const { rows } = await client.query<{ name: string }>(
          `SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') ORDER BY 1 LIMIT ${DROPPED_AT_ONCE}`,
          [schema],
        );
        if (rows.length === 0) break;
        const tables = rows.map(({ name }) => `${of}.${pg.escapeIdentifier(name)}`).join(', ');
        await client.query(`DROP TABLE ${tables} CASCADE`);
      }
      await client.query(`DROP SCHEMA IF EXISTS ${of} CASCADE`);
    } finally {
      await client.end();
    }
  }

  private async dropLogin(address: ServerAddress, login: string): Promise<void> {
    const role = pg.escapeIdentifier(login);
    await this.asProvisioner(address, async (client) => {
      const { rows } = await client.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [login]);
      if (rows.length === 0) return;
      await client.query(`REVOKE CONNECT ON DATABASE ${currentOf(client)} FROM ${role}`);
      await client.query(`DROP ROLE ${role}`);
    });
  }

  private async asProvisioner<T>(address: ServerAddress, work: (client: pg.Client) => Promise<T>): Promise<T> {
    const client = await connect(address.url('provisioner', true));
    try {
      return await work(client);
    } finally {
      await client.end();
    }
  }

  private role(kind: 'migrator' | 'maintenance'): string {
    return pg.escapeIdentifier(this.database.roles.name(kind));
  }
}

function currentOf(client: pg.Client): string {
  return pg.escapeIdentifier(client.database ?? '');
}

async function connect(url: string): Promise<pg.Client> {
  const client = new pg.Client({ connectionString: url, keepAlive: true });
  // Unheard, a connection that breaks would end the process; its statement fails all the same.
  client.on('error', () => undefined);
  await client.connect();
  return client;
}
