import type { MigrationInterface, QueryRunner } from 'typeorm';
import { isolateTable } from '../../src/tenancy/index.js';

/** Which notices a tenant's owners were sent, stored with the mails. */
export class CreateSentNotices1763600000051 implements MigrationInterface {
  name = 'CreateSentNotices1763600000051';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE sent_notices (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      sent_at timestamptz NOT NULL,
      CONSTRAINT sent_notices_pkey PRIMARY KEY (tenant_id, id)
    )`);
    await isolateTable(runner, 'sent_notices');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE sent_notices');
  }
}
