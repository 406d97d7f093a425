import { Column, Entity } from 'typeorm';
import { TenantOwned } from '../../tenancy/index.js';

/** Stored with the effects of a step on the tenant's data, so that they happen once however often the step runs. */
@Entity('provisioning_marks')
export class ProvisioningMark extends TenantOwned {
  @Column('text')
  step: string;

  /** What a later step needs to know; sealed. */
  @Column('bytea', { nullable: true })
  note: Buffer | null;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;
}
