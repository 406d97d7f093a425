import type { MigrationInterface, QueryRunner } from 'typeorm';
import { isolateTable } from '../../src/tenancy/index.js';
import { roleNames } from '../roles.js';

/** Chat sessions, their messages, and idempotency keys. */
export class CreateChat1763600000001 implements MigrationInterface {
  name = 'CreateChat1763600000001';

  async up(runner: QueryRunner): Promise<void> {
    const { schema, tenant, maintenance } = await roleNames(runner);
    await runner.query(`GRANT USAGE ON SCHEMA ${schema} TO ${tenant}, ${maintenance}`);
    await runner.query(`CREATE TABLE chat_sessions (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      token_hash bytea NOT NULL,
      created_at timestamptz NOT NULL DEFAULT now(),
      last_active_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT chat_sessions_token_key UNIQUE (tenant_id, token_hash)
    )`);
    // Led by time, not tenant: only the purge of the maintenance role reads it, across tenants.
    await runner.query('CREATE INDEX chat_sessions_idle ON chat_sessions (last_active_at)');
    await runner.query(`CREATE TABLE chat_messages (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      session_id uuid NOT NULL,
      role text NOT NULL CONSTRAINT chat_messages_role_known CHECK (role IN ('user', 'assistant')),
      content text NOT NULL,
      model text,
      created_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT chat_messages_session FOREIGN KEY (tenant_id, session_id)
        REFERENCES chat_sessions (tenant_id, id) ON DELETE CASCADE
    )`);
    await runner.query('CREATE INDEX chat_messages_history ON chat_messages (tenant_id, session_id, id)');
    await runner.query(`CREATE TABLE idempotency_keys (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      key_hash bytea NOT NULL,
      request_hash bytea NOT NULL,
      claimed_until timestamptz NOT NULL,
      expires_at timestamptz NOT NULL,
      status integer,
      answer bytea,
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT idempotency_keys_key UNIQUE (tenant_id, key_hash)
    )`);
    await runner.query('CREATE INDEX idempotency_keys_expiry ON idempotency_keys (expires_at)');
    for (const table of ['chat_sessions', 'chat_messages', 'idempotency_keys']) await isolateTable(runner, table);
  }

  async down(runner: QueryRunner): Promise<void> {
    const { schema, tenant, maintenance } = await roleNames(runner);
    await runner.query('DROP TABLE idempotency_keys, chat_messages, chat_sessions');
    await runner.query(`REVOKE USAGE ON SCHEMA ${schema} FROM ${tenant}, ${maintenance}`);
  }
}
