import { TenantOwned } from 'tenantry';
import { Column, Entity, JoinColumn, ManyToOne, type Relation } from 'typeorm';
import { Notebook } from './notebook.entity.js';

@Entity('notes')
export class Note extends TenantOwned {
  @Column('uuid', { name: 'notebook_id' })
  notebookId: string;

  @ManyToOne(() => Notebook, { onDelete: 'CASCADE' })
  @JoinColumn([
    { name: 'tenant_id', referencedColumnName: 'tenantId' },
    { name: 'notebook_id', referencedColumnName: 'id' },
  ])
  notebook?: Relation<Notebook>;

  @Column('text')
  content: string;

  @Column('boolean')
  pinned: boolean;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  /** What its id was before; null for what is newer. */
  @Column('integer', { name: 'old_id', nullable: true })
  oldId: number | null;
}
