import { TenantOwned } from 'tenantry';
import { Column, Entity } from 'typeorm';

/** A customer of the shelter or clinic; no user of the service. */
@Entity('owners')
export class Owner extends TenantOwned {
  @Column('text')
  name: string;

  @Column('text')
  email: string;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;
}
