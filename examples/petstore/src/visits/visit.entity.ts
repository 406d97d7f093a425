import { TenantOwned } from 'tenantry';
import { Column, Entity } from 'typeorm';

@Entity('visits')
export class Visit extends TenantOwned {
  @Column('uuid', { name: 'pet_id' })
  petId: string;

  /** YYYY-MM-DD, as all dates here. */
  @Column('date', { name: 'visited_on' })
  visitedOn: string;

  @Column('text')
  reason: string;

  @Column('text', { nullable: true })
  vaccine: string | null;

  /** When the vaccination is to be repeated. */
  @Column('date', { name: 'vaccination_due_on', nullable: true })
  vaccinationDueOn: string | null;
}

/** That somebody is to be told of a vaccination that is due: once for each visit. */
@Entity('reminders')
export class Reminder extends TenantOwned {
  @Column('uuid', { name: 'visit_id' })
  visitId: string;

  @Column('uuid', { name: 'pet_id' })
  petId: string;

  @Column('text')
  vaccine: string;

  @Column('date', { name: 'due_on' })
  dueOn: string;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;
}
