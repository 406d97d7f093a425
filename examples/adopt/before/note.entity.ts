import { Column, Entity, JoinColumn, ManyToOne, PrimaryGeneratedColumn, type Relation } from 'typeorm';
import { Notebook } from './notebook.entity.js';

@Entity('notes')
export class Note {
  @PrimaryGeneratedColumn()
  id: number;

  @Column('integer', { name: 'notebook_id' })
  notebookId: number;

  @ManyToOne(() => Notebook, { onDelete: 'CASCADE' })
  @JoinColumn({ name: 'notebook_id' })
  notebook?: Relation<Notebook>;

  @Column('text')
  content: string;

  @Column('boolean')
  pinned: boolean;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;
}
