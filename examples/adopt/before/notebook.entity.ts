import { Column, Entity, PrimaryGeneratedColumn } from 'typeorm';

@Entity('notebooks')
export class Notebook {
  @PrimaryGeneratedColumn()
  id: number;

  @Column('text')
  name: string;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;
}
