import type { MigrationInterface, QueryRunner } from 'typeorm';
import { isolateTable } from '../../src/tenancy/index.js';

/** A changed e-mail address waits beside the one in force until it is verified; mails that members cause are counted. */
export class HoldChangedAddresses1763600000015 implements MigrationInterface {
  name = 'HoldChangedAddresses1763600000015';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE users ADD COLUMN pending_email text, ADD COLUMN pending_email_by uuid');
    await runner.query(`CREATE TABLE member_mails (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      recipient_hmac bytea NOT NULL,
      sent_at timestamptz NOT NULL,
      PRIMARY KEY (tenant_id, id)
    )`);
    await runner.query('CREATE INDEX member_mails_recipient ON member_mails (tenant_id, recipient_hmac, sent_at)');
    await runner.query('CREATE INDEX member_mails_time ON member_mails (sent_at)');
    await runner.query('CREATE INDEX invitations_expiry ON invitations (expires_at)');
    await isolateTable(runner, 'member_mails');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX invitations_expiry');
    await runner.query('DROP TABLE member_mails');
    await runner.query('ALTER TABLE users DROP COLUMN pending_email, DROP COLUMN pending_email_by');
  }
}
