import { createPrivateKey, createPublicKey, generateKeyPairSync, type JsonWebKey, type KeyObject } from 'node:crypto';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { ChangeFeed } from '../../changes/index.js';
import { newId, seal, unseal } from '../../common/index.js';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { ACCESS_TOKEN_SECONDS } from './token.claims.js';
import type { Realm } from './token.claims.js';

export const KEYS_CHANNEL = 'tenantry_signing_keys';
const REALMS: readonly Realm[] = ['tenant', 'platform'];
/** How long others may keep a copy of the key set, in seconds; a new key signs only after that. */
export const JWKS_MAX_AGE_SECONDS = 300;
/** Unknown key ids make us look at most this often, in ms. */
const RELOAD_MS = 1000;

interface KeyRow {
  kid: string;
  audience: Realm;
  public_jwk: JsonWebKey;
  private_key: Buffer;
  active_from: Date;
  retired_at: Date | null;
}

interface SigningKey {
  kid: string;
  realm: Realm;
  jwk: JsonWebKey;
  publicKey: KeyObject;
  privateKey: KeyObject;
  activeFrom: number;
  retiredAt: number;
}

/**
 * The keys that sign access tokens (ES256, RFC 7518), one set for tenants and one for the platform. Private keys are
 * sealed under MASTER_KEY. Made on the first start; rotation overlaps, so that no valid token is refused.
 */
@Injectable()
export class SigningKeys implements OnModuleInit {
  private keys = new Map<string, SigningKey>();
  private loadedAt = 0;
  private loading: Promise<void> | undefined;

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    changes: ChangeFeed,
  ) {
    changes.on(KEYS_CHANNEL, () => void this.load().catch(() => undefined));
  }

  async onModuleInit(): Promise<void> {
    await this.platform.transaction(async (manager) => {
      await manager.query(`SELECT pg_advisory_xact_lock(hashtext('tenantry:signing-keys'))`);
      for (const realm of REALMS) {
        const held = await manager.query<unknown[]>(
          'SELECT 1 FROM signing_keys WHERE audience = $1 AND retired_at IS NULL',
          [realm],
        );
        if (held.length === 0) await this.create(manager, realm, 0);
      }
    });
    await this.load();
  }

  /** The newest key that may sign by now. */
  signer(realm: Realm): { kid: string; key: KeyObject } {
    const now = Date.now();
    let best: SigningKey | undefined;
    for (const key of this.keys.values()) {
      if (key.realm !== realm || key.activeFrom > now || key.retiredAt <= now) continue;
      if (!best || key.activeFrom > best.activeFrom) best = key;
    }
    if (!best) throw new Error(`There is no signing key for ${realm} tokens.`);
    return { kid: best.kid, key: best.privateKey };
  }

  /** @returns the public key, or undefined when no key of that realm has this id */
  verifier(realm: Realm, kid: string): KeyObject | undefined | Promise<KeyObject | undefined> {
    const known = this.usable(realm, kid);
    if (known || Date.now() - this.loadedAt < RELOAD_MS) return known;
    // Another process may have rotated while this one could not hear of it.
    return this.load().then(() => this.usable(realm, kid));
  }

  /** The public keys of a realm (RFC 7517), those that are about to sign included. */
  jwks(realm: Realm): { keys: JsonWebKey[] } {
    const now = Date.now();
    const keys = [...this.keys.values()].filter((key) => key.realm === realm && key.retiredAt > now);
    return { keys: keys.map((key) => ({ ...key.jwk, kid: key.kid, use: 'sig', alg: 'ES256' })) };
  }

  /**
   * Makes a new key and retires those before it once no token that they signed can be valid any more.
   *
   * @param delaySeconds until it signs; at least {@link JWKS_MAX_AGE_SECONDS} where others cache the key set
   */
  async rotate(realm: Realm, delaySeconds = JWKS_MAX_AGE_SECONDS): Promise<string> {
    return this.platform.transaction(async (manager) => {
      await manager.query(`SELECT pg_advisory_xact_lock(hashtext('tenantry:signing-keys'))`);
      await manager.query(
        `UPDATE signing_keys SET retired_at = now() + ($2 + $3) * interval '1 second'
          WHERE audience = $1 AND retired_at IS NULL`,
        [realm, delaySeconds, ACCESS_TOKEN_SECONDS + 60],
      );
      await manager.query(`DELETE FROM signing_keys WHERE retired_at < now() - interval '1 day'`);
      const kid = await this.create(manager, realm, delaySeconds);
      await manager.query('SELECT pg_notify($1, $2)', [KEYS_CHANNEL, kid]);
      return kid;
    });
  }

  private usable(realm: Realm, kid: string): KeyObject | undefined {
    const key = this.keys.get(kid);
    return key?.realm === realm && key.retiredAt > Date.now() ? key.publicKey : undefined;
  }

  private async create(manager: EntityManager, realm: Realm, delaySeconds: number): Promise<string> {
    const kid = newId();
    const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const sealed = seal(this.sealingKey(), privateKey.export({ format: 'der', type: 'pkcs8' }), kid);
    await manager.query(
      `INSERT INTO signing_keys (kid, audience, public_jwk, private_key, active_from)
       VALUES ($1, $2, $3, $4, now() + $5 * interval '1 second')`,
      [kid, realm, JSON.stringify(publicKey.export({ format: 'jwk' })), sealed, delaySeconds],
    );
    return kid;
  }

  private load(): Promise<void> {
    this.loading ??= this.read().finally(() => (this.loading = undefined));
    return this.loading;
  }

  private async read(): Promise<void> {
    const rows = await this.platform.query<KeyRow[]>(
      `SELECT kid, audience, public_jwk, private_key, active_from, retired_at FROM signing_keys
        WHERE retired_at IS NULL OR retired_at > now()`,
    );
    this.keys = new Map(rows.map((row) => [row.kid, this.keys.get(row.kid) ?? this.open(row)]));
    for (const row of rows) {
      const key = this.keys.get(row.kid);
      if (key) key.retiredAt = row.retired_at?.getTime() ?? Infinity;
    }
    this.loadedAt = Date.now();
  }

  private open(row: KeyRow): SigningKey {
    const der = unseal(this.sealingKey(), row.private_key, row.kid);
    return {
      kid: row.kid,
      realm: row.audience,
      jwk: row.public_jwk,
      publicKey: createPublicKey({ key: row.public_jwk, format: 'jwk' }),
      privateKey: createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }),
      activeFrom: row.active_from.getTime(),
      retiredAt: row.retired_at?.getTime() ?? Infinity,
    };
  }

  private sealingKey(): Buffer {
    return this.database.keys.derive('signing-keys');
  }
}
