import { Column, Entity } from 'typeorm';
import { TenantOwned } from '../../tenancy/index.js';

/** That a member had a mail sent to an address of their choice; kept for as long as it counts. */
@Entity('member_mails')
export class MemberMail extends TenantOwned {
  /** Keyed hash of the address, which nobody reads back. */
  @Column('bytea', { name: 'recipient_hmac' })
  recipientHmac: Buffer;

  @Column('timestamptz', { name: 'sent_at' })
  sentAt: Date;
}
