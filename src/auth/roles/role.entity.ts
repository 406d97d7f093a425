import { Column, Entity } from 'typeorm';
import { TenantOwned } from '../../tenancy/index.js';

/** A role that a tenant composed itself. The built-in ones are code, not rows. */
@Entity('roles')
export class Role extends TenantOwned {
  @Column('text')
  name: string;

  @Column('text')
  description: string;

  @Column('text', { array: true })
  permissions: string[];

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'updated_at' })
  updatedAt: Date;
}
