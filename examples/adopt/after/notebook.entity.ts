import { TenantOwned } from 'tenantry';
import { Column, Entity } from 'typeorm';

@Entity('notebooks')
export class Notebook extends TenantOwned {
  @Column('text')
  name: string;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  /** What its id was before; null for what is newer. */
  @Column('integer', { name: 'old_id', nullable: true })
  oldId: number | null;
}
