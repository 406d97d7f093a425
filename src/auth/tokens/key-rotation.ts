import { generateKeyPairSync } from 'node:crypto';
import type { DataSource, EntityManager } from 'typeorm';
import { type KeyRing, newId, seal } from '../../common/index.js';
import { IMPERSONATION_SECONDS, type Realm } from './token.claims.js';

export const KEYS_CHANNEL = 'tenantry_signing_keys';
export const REALMS: readonly Realm[] = ['tenant', 'platform'];
/** How long others may keep a copy of the key set, in seconds; a new key signs only after that. */
export const JWKS_MAX_AGE_SECONDS = 300;
/** A key verifies longer than any token of it can live, and a little more, in seconds. */
const OVERLAP_SECONDS = IMPERSONATION_SECONDS + 60;

const LOCK = `SELECT pg_advisory_xact_lock(hashtext('tenantry:signing-keys'))`;

/** A new key, and when it begins to sign. */
export interface SignsFrom {
  kid: string;
  activeFrom: Date;
}

/** Makes signing keys, in the service and in the command beside it. */
export class KeyRotation {
  /** @param platform the control plane's data source, as its role */
  constructor(
    private readonly platform: DataSource,
    private readonly keys: KeyRing,
  ) {}

  /** Makes the first key of each realm that has none. Safe when several processes start at once. */
  async ensure(): Promise<void> {
    await this.platform.transaction(async (manager) => {
      await manager.query(LOCK);
      for (const realm of REALMS) {
        const held = await manager.query<unknown[]>(
          'SELECT 1 FROM signing_keys WHERE audience = $1 AND retired_at IS NULL',
          [realm],
        );
        if (held.length === 0) await this.create(manager, realm, 0);
      }
    });
  }

  /**
   * Makes a new key and retires those before it once no token that they signed can be valid any more.
   *
   * @param delaySeconds until it signs; at least {@link JWKS_MAX_AGE_SECONDS} where others cache the key set
   * @returns its id, and when it begins to sign
   */
  async rotate(realm: Realm, delaySeconds = JWKS_MAX_AGE_SECONDS): Promise<SignsFrom> {
    return this.replace(realm, delaySeconds, (manager) =>
      manager.query(
        `UPDATE signing_keys SET retired_at = now() + $2 * interval '1 second'
          WHERE audience = $1 AND retired_at IS NULL`,
        [realm, delaySeconds + OVERLAP_SECONDS],
      ),
    );
  }

  /**
   * After a key was lost: makes a new one that signs at once, and retires all others on the spot. Access tokens given out
   * so far are void in every process within a second; clients refresh theirs.
   */
  async revoke(realm: Realm): Promise<SignsFrom> {
    return this.replace(realm, 0, (manager) =>
      manager.query(
        `UPDATE signing_keys SET retired_at = now()
          WHERE audience = $1 AND (retired_at IS NULL OR retired_at > now())`,
        [realm],
      ),
    );
  }

  private replace(
    realm: Realm,
    delaySeconds: number,
    retire: (manager: EntityManager) => Promise<unknown>,
  ): Promise<SignsFrom> {
    return this.platform.transaction(async (manager) => {
      await manager.query(LOCK);
      await retire(manager);
      await manager.query(`DELETE FROM signing_keys WHERE retired_at < now() - interval '1 day'`);
      const made = await this.create(manager, realm, delaySeconds);
      await manager.query('SELECT pg_notify($1, $2)', [KEYS_CHANNEL, made.kid]);
      return made;
    });
  }

  private async create(manager: EntityManager, realm: Realm, delaySeconds: number): Promise<SignsFrom> {
    const kid = newId();
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const sealed = seal(sealingKey(this.keys), privateKey.export({ format: 'der', type: 'pkcs8' }), kid);
    const [row] = await manager.query<{ active_from: Date }[]>(
      `INSERT INTO signing_keys (kid, audience, public_jwk, private_key, active_from)
       VALUES ($1, $2, $3, $4, now() + $5 * interval '1 second') RETURNING active_from`,
      [kid, realm, JSON.stringify(publicKey.export({ format: 'jwk' })), sealed, delaySeconds],
    );
    if (!row) throw new Error('The database did not store a signing key.');
    return { kid, activeFrom: row.active_from };
  }
}

export function sealingKey(keys: KeyRing): Buffer {
  return keys.derive('signing-keys');
}
