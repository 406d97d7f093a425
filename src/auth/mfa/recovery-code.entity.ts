import { Column, Entity, JoinColumn, ManyToOne, type Relation } from 'typeorm';
import { TenantOwned } from '../../tenancy/index.js';
import { User } from '../users/user.entity.js';

/** One unused recovery code. Using it deletes it. */
@Entity('recovery_codes')
export class RecoveryCode extends TenantOwned {
  @Column('uuid', { name: 'user_id' })
  userId: string;

  @ManyToOne(() => User, { onDelete: 'CASCADE' })
  @JoinColumn([
    { name: 'tenant_id', referencedColumnName: 'tenantId' },
    { name: 'user_id', referencedColumnName: 'id' },
  ])
  user?: Relation<User>;

  @Column('bytea', { name: 'code_hash' })
  codeHash: Buffer;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;
}
