import { Column, Entity } from 'typeorm';
import { UserOwned } from '../users/user-owned.js';

/** One unused recovery code. Using it deletes it. */
@Entity('recovery_codes')
export class RecoveryCode extends UserOwned {
  @Column('bytea', { name: 'code_hash' })
  codeHash: Buffer;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;
}
