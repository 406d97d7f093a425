import { Column, Entity, JoinColumn, ManyToOne, type Relation } from 'typeorm';
import { TenantOwned } from '../../tenancy/index.js';
import { User } from '../users/user.entity.js';

/** Who a user is at the tenant's identity provider. A subject never changes; an address there may become another's. */
@Entity('external_identities')
export class ExternalIdentity extends TenantOwned {
  @Column('uuid', { name: 'user_id' })
  userId: string;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn([
    { name: 'tenant_id', referencedColumnName: 'tenantId' },
    { name: 'user_id', referencedColumnName: 'id' },
  ])
  user?: Relation<User>;

  @Column('text')
  issuer: string;

  @Column('text')
  subject: string;

  @Column('timestamptz', { name: 'linked_at' })
  linkedAt: Date;
}
