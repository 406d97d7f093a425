import { Column, Entity } from 'typeorm';
import { TenantOwned } from '../../tenancy/index.js';

/** Stored with the mails of a notice, under the notice's own id, so that they go out once however often it is tried. */
@Entity('sent_notices')
export class SentNotice extends TenantOwned {
  @Column('timestamptz', { name: 'sent_at' })
  sentAt: Date;
}
