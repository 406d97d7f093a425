import { TenantOwned } from 'tenantry';
import { Column, Entity } from 'typeorm';

export const SPECIES = ['dog', 'cat', 'rabbit', 'bird', 'other'] as const;
export type Species = (typeof SPECIES)[number];

export const PET_STATUSES = ['available', 'reserved', 'adopted'] as const;
export type PetStatus = (typeof PET_STATUSES)[number];

@Entity('pets')
export class Pet extends TenantOwned {
  @Column('text')
  name: string;

  @Column('text')
  species: Species;

  @Column('text')
  breed: string;

  /** YYYY-MM-DD */
  @Column('date', { name: 'born_on', nullable: true })
  bornOn: string | null;

  @Column('text')
  status: PetStatus;

  @Column('uuid', { name: 'owner_id', nullable: true })
  ownerId: string | null;

  /** Counts the changes; an ETag is made of it. */
  @Column('integer')
  revision: number;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'deleted_at', nullable: true })
  deletedAt: Date | null;
}

/** That a file of the tenant shows a pet. */
@Entity('pet_photos')
export class PetPhoto extends TenantOwned {
  @Column('uuid', { name: 'pet_id' })
  petId: string;

  @Column('uuid', { name: 'file_id' })
  fileId: string;
}
