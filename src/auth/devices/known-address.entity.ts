import { Column, Entity } from 'typeorm';
import { UserOwned } from '../users/user-owned.js';

/** A place on the network that a user is known from, whether or not they are signed in there now. */
@Entity('known_addresses')
export class KnownAddress extends UserOwned {
  /** HMAC of user and address bucket: whoever reads the table learns nobody's address. */
  @Column('bytea', { name: 'address_hash' })
  addressHash: Buffer;

  @Column('timestamptz', { name: 'signed_in_at', nullable: true })
  signedInAt: Date | null;

  /** When a new password was set there by the token of a mail. */
  @Column('timestamptz', { name: 'proven_at', nullable: true })
  provenAt: Date | null;

  @Column('timestamptz', { name: 'last_seen_at' })
  lastSeenAt: Date;
}
