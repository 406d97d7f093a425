import { Column, Entity } from 'typeorm';
import { TenantOwned } from '../../tenancy/index.js';

/** Stored with the mails of a notice, under the notice's own id, so that they go out once however often it is tried. */
@Entity('sent_notices')
export class SentNotice extends TenantOwned {
  @Column('timestamptz', { name: 'sent_at' })
  sentAt: Date;
}

/** Whether storing a notice failed because it was sent before. */
export function isSentAlready(error: unknown): boolean {
  const { driverError } = error as { driverError?: { code?: string; constraint?: string } };
  return driverError?.code === '23505' && driverError.constraint === 'sent_notices_pkey';
}
