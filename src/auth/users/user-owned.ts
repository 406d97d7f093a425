import { Column, JoinColumn, ManyToOne, type Relation } from 'typeorm';
import { TenantOwned } from '../../tenancy/index.js';
import { User } from './user.entity.js';

/** The base of what a person of the tenant has, and what goes with them. */
export abstract class UserOwned extends TenantOwned {
  @Column('uuid', { name: 'user_id' })
  userId: string;

  // Both columns: it can only belong to a person of its own tenant.
  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn([
    { name: 'tenant_id', referencedColumnName: 'tenantId' },
    { name: 'user_id', referencedColumnName: 'id' },
  ])
  user?: Relation<User>;
}
