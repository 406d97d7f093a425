import { hkdfSync } from 'node:crypto';
import type { KeyRing } from '../../common/index.js';
import { newId, seal, unseal } from '../../common/index.js';
import type { CredentialCodec } from '../../tenancy/index.js';

/** A device is forgotten when unused for this long, in ms. */
const IDLE_MS = 30 * 24 * 60 * 60 * 1000;
/** … and after this long in any case, in ms. */
const LONGEST_MS = 90 * 24 * 60 * 60 * 1000;
/** Devices signed in at once for one person; the one that was longest unused makes room for the next. */
export const MAX_DEVICES = 50;
/** How long the token before the newest gets the same answer again, in case the first was lost, in ms. */
export const RETRY_MS = 10_000;

export interface NewDevice {
  userId: string;
  /** The user agent, as it called itself. */
  name: string;
  address: string | undefined;
  inCookie: boolean;
}

export interface OpenedDevice {
  deviceId: string;
  refreshToken: string;
}

export type Rotation =
  | { kind: 'rotated'; deviceId: string; userId: string; refreshToken: string; inCookie: boolean; repeated: boolean }
  /** Not known here, expired or revoked. */
  | { kind: 'unknown' }
  /** A token that had been used up: its family is revoked now. */
  | { kind: 'reused'; deviceId: string; userId: string };

interface DeviceRow {
  id: string;
  user_id: string;
  in_cookie: boolean;
  previous_hash: Buffer | null;
  successor: Buffer | null;
  retry: boolean;
}

/**
 * Refresh tokens in families (RFC 9700, section 4.14.2): a device is a family and keeps the hash of its newest token.
 * An authentic token of the family that is not the newest has been used before, and revokes it.
 */
export abstract class RefreshFamilies {
  constructor(
    private readonly kind: 'refresh' | 'platform-refresh',
    private readonly credentials: CredentialCodec,
    private readonly keys: KeyRing,
  ) {}

  /** `$1` of every statement is the tenant, or a nil UUID for the platform. */
  protected abstract run<Row>(sql: string, parameters: unknown[]): Promise<Row[]>;
  protected abstract owner(): string;
  protected abstract readonly table: { name: string; ownerColumn: string; ownerValue: string; inScope: string };

  /** Call it in the unit of work that holds the user's row, which makes {@link MAX_DEVICES} exact. */
  async open(device: NewDevice): Promise<OpenedDevice> {
    const deviceId = newId();
    const refreshToken = this.credentials.mint(this.kind, this.owner(), deviceId);
    const { name, ownerColumn, ownerValue, inScope } = this.table;
    await this.run(
      `INSERT INTO ${name} (${ownerColumn}id, user_id, name, address, token_hash, in_cookie, expires_at)
       SELECT ${ownerValue}$2, $3, $4, $5, $6, $7, now() + $8 * interval '1 millisecond' WHERE $1::uuid IS NOT NULL`,
      [
        this.owner(),
        deviceId,
        device.userId,
        device.name.slice(0, 200),
        device.address,
        this.credentials.hash(refreshToken),
        device.inCookie,
        IDLE_MS,
      ],
    );
    await this.run(
      `DELETE FROM ${name} WHERE ${inScope} AND user_id = $2 AND id <> $3 AND id NOT IN
         (SELECT id FROM ${name} WHERE ${inScope} AND user_id = $2 AND id <> $3
           ORDER BY last_used_at DESC, id DESC LIMIT $4)`,
      [this.owner(), device.userId, deviceId, MAX_DEVICES - 1],
    );
    return { deviceId, refreshToken };
  }

  /**
   * Trades a token for the next one. Exactly one of many at once makes the next; the others get that same one. Call it in
   * the unit of work that also records a reuse.
   */
  async rotate(token: string, address: string | undefined): Promise<Rotation> {
    const opened = this.credentials.open(this.kind, token);
    if (!opened || opened.tenantId !== this.owner()) return { kind: 'unknown' };
    const deviceId = opened.subjectId;
    const next = this.credentials.mint(this.kind, this.owner(), deviceId);
    const { name, inScope } = this.table;
    const hash = this.credentials.hash(token);
    const [rotated] = await this.run<DeviceRow>(
      `UPDATE ${name} SET token_hash = $4, previous_hash = token_hash, rotated_at = now(), successor = $5,
              last_used_at = now(), address = coalesce($6, address),
              expires_at = least(now() + $7 * interval '1 millisecond', created_at + $8 * interval '1 millisecond')
        WHERE ${inScope} AND id = $2 AND token_hash = $3 AND expires_at > now()
       RETURNING id, user_id, in_cookie`,
      [
        this.owner(),
        deviceId,
        hash,
        this.credentials.hash(next),
        seal(this.successorKey(token), next, deviceId),
        address,
        IDLE_MS,
        LONGEST_MS,
      ],
    );
    if (rotated) {
      const { user_id: userId, in_cookie: inCookie } = rotated;
      return { kind: 'rotated', deviceId, userId, refreshToken: next, inCookie, repeated: false };
    }
    return this.repeat(token, deviceId, hash);
  }

  /** @returns the user who was signed in there, or undefined when there is no such device */
  async revoke(token: string): Promise<{ deviceId: string; userId: string } | undefined> {
    const opened = this.credentials.open(this.kind, token);
    if (!opened || opened.tenantId !== this.owner()) return undefined;
    return this.revokeDevice(opened.subjectId);
  }

  private async repeat(token: string, deviceId: string, hash: Buffer): Promise<Rotation> {
    const { name, inScope } = this.table;
    const [device] = await this.run<DeviceRow>(
      `SELECT id, user_id, in_cookie, previous_hash, successor,
              rotated_at > now() - $3 * interval '1 millisecond' AS retry
         FROM ${name} WHERE ${inScope} AND id = $2 AND expires_at > now()`,
      [this.owner(), deviceId, RETRY_MS],
    );
    if (!device) return { kind: 'unknown' };
    if (device.retry && device.successor && device.previous_hash?.equals(hash)) {
      const refreshToken = unseal(this.successorKey(token), device.successor, deviceId).toString('utf8');
      const { user_id: userId, in_cookie: inCookie } = device;
      return { kind: 'rotated', deviceId, userId, refreshToken, inCookie, repeated: true };
    }
    await this.revokeDevice(deviceId);
    return { kind: 'reused', deviceId, userId: device.user_id };
  }

  private async revokeDevice(deviceId: string): Promise<{ deviceId: string; userId: string } | undefined> {
    const { name, inScope } = this.table;
    const [gone] = await this.run<DeviceRow>(`DELETE FROM ${name} WHERE ${inScope} AND id = $2 RETURNING user_id`, [
      this.owner(),
      deviceId,
    ]);
    return gone && { deviceId, userId: gone.user_id };
  }

  private successorKey(token: string): Buffer {
    return Buffer.from(hkdfSync('sha256', this.keys.derive('refresh-successor'), token, 'successor', 32));
  }
}
