import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { ChangeFeed } from '../../changes/index.js';
import { unseal } from '../../common/index.js';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { KeyRotation, KEYS_CHANNEL, sealingKey } from './key-rotation.js';
import type { Realm } from './token.claims.js';

/** Unknown key ids, and known ones while changes are not heard of, make us look at most this often, in ms. */
const RELOAD_MS = 1000;

interface KeyRow {
  kid: string;
  audience: Realm;
  public_jwk: JsonWebKey;
  private_key: Buffer;
  created_at: Date;
  active_from: Date;
  retired_at: Date | null;
}

interface SigningKey {
  kid: string;
  realm: Realm;
  jwk: JsonWebKey;
  publicKey: KeyObject;
  privateKey: KeyObject;
  createdAt: number;
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
    private readonly changes: ChangeFeed,
  ) {
    changes.on(KEYS_CHANNEL, () => void this.reload().catch(() => undefined));
  }

  async onModuleInit(): Promise<void> {
    await new KeyRotation(this.platform, this.database.keys).ensure();
    await this.load();
  }

  /** The newest key that may sign by now: the newest made, whichever was meant to begin first. */
  signer(realm: Realm): { kid: string; key: KeyObject } {
    const now = Date.now();
    let best: SigningKey | undefined;
    for (const key of this.keys.values()) {
      if (key.realm !== realm || key.activeFrom > now || key.retiredAt <= now) continue;
      if (!best || key.createdAt > best.createdAt) best = key;
    }
    if (!best) throw new Error(`There is no signing key for ${realm} tokens.`);
    return { kid: best.kid, key: best.privateKey };
  }

  /** @returns the public key, or undefined when no key of that realm has this id */
  verifier(realm: Realm, kid: string): KeyObject | undefined | Promise<KeyObject | undefined> {
    const known = this.usable(realm, kid);
    // A key of the other realm is no unknown one: the tokens of platform admins are looked at as a tenant's, too.
    if ((this.keys.has(kid) && this.changes.live) || Date.now() - this.loadedAt < RELOAD_MS) return known;
    // Another process may have rotated, or revoked, while this one could not hear of it. Should the database be out of
    // reach as well, whoever the token speaks of cannot be looked up either.
    return this.load()
      .catch(() => undefined)
      .then(() => this.usable(realm, kid));
  }

  /** The public keys of a realm (RFC 7517), those that are about to sign included. */
  jwks(realm: Realm): { keys: JsonWebKey[] } {
    const now = Date.now();
    const keys = [...this.keys.values()].filter((key) => key.realm === realm && key.retiredAt > now);
    return { keys: keys.map((key) => ({ ...key.jwk, kid: key.kid, use: 'sig', alg: 'ES256' })) };
  }

  private usable(realm: Realm, kid: string): KeyObject | undefined {
    const key = this.keys.get(kid);
    return key?.realm === realm && key.retiredAt > Date.now() ? key.publicKey : undefined;
  }

  private load(): Promise<void> {
    this.loading ??= this.read().finally(() => (this.loading = undefined));
    return this.loading;
  }

  /** After what is under way, which may have read before the change that this is about. */
  private reload(): Promise<void> {
    return (this.loading ?? Promise.resolve()).catch(() => undefined).then(() => this.load());
  }

  private async read(): Promise<void> {
    const rows = await this.platform.query<KeyRow[]>(
      `SELECT kid, audience, public_jwk, private_key, created_at, active_from, retired_at FROM signing_keys
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
    const der = unseal(sealingKey(this.database.keys), row.private_key, row.kid);
    return {
      kid: row.kid,
      realm: row.audience,
      jwk: row.public_jwk,
      publicKey: createPublicKey({ key: row.public_jwk, format: 'jwk' }),
      privateKey: createPrivateKey({ key: der, format: 'der', type: 'pkcs8' }),
      createdAt: row.created_at.getTime(),
      activeFrom: row.active_from.getTime(),
      retiredAt: row.retired_at?.getTime() ?? Infinity,
    };
  }
}
