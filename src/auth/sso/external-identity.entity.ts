import { Column, Entity } from 'typeorm';
import { UserOwned } from '../users/user-owned.js';

/** Who a user is at the tenant's identity provider. A subject never changes; an address there may become another's. */
@Entity('external_identities')
export class ExternalIdentity extends UserOwned {
  @Column('text')
  issuer: string;

  @Column('text')
  subject: string;

  @Column('timestamptz', { name: 'linked_at' })
  linkedAt: Date;
}
