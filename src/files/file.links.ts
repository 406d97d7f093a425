import { createHmac, timingSafeEqual } from 'node:crypto';
import { Inject, Injectable } from '@nestjs/common';
import { DATABASE, type PreparedDatabase } from '../database/index.js';
import { MailLinks } from '../mail/index.js';
import type { Tenant } from '../tenancy/index.js';

/** The longest that a link may last, in seconds. */
export const MOST_LINK_SECONDS = 7 * 24 * 3600;

export interface FileLink {
  url: string;
  expiresAt: Date;
}

/**
 * Links that open one file of one tenant until a time, for whoever has them. The signature is HMAC-SHA-256 (RFC 2104) over
 * tenant, file and time, under a key that MASTER_KEY alone gives.
 */
@Injectable()
export class FileLinks {
  private readonly key: Buffer;

  constructor(
    @Inject(DATABASE) database: PreparedDatabase,
    private readonly links: MailLinks,
  ) {
    this.key = database.keys.derive('file-links');
  }

  /** @param seconds from now, 1 to {@link MOST_LINK_SECONDS} */
  make(tenant: Tenant, id: string, seconds: number): FileLink {
    if (!Number.isInteger(seconds) || seconds < 1 || seconds > MOST_LINK_SECONDS) {
      throw new RangeError(`A link lasts from 1 to ${MOST_LINK_SECONDS} seconds.`);
    }
    const expires = String(Math.floor(Date.now() / 1000) + seconds);
    const url = this.links.addressOf(tenant, `/api/files/${id}/content`);
    url.searchParams.set('expires', expires);
    url.searchParams.set('signature', this.sign(tenant.id, id, expires).toString('base64url'));
    return { url: url.toString(), expiresAt: new Date(Number(expires) * 1000) };
  }

  /** @returns for how long the link is good still, in seconds; undefined when it is not */
  secondsLeft(tenantId: string, id: string, expires: unknown, signature: unknown): number | undefined {
    if (typeof expires !== 'string' || !/^\d{1,12}$/.test(expires) || typeof signature !== 'string') return undefined;
    // Of one length, so that two texts do not mean the same bytes.
    if (!/^[\w-]{43}$/.test(signature)) return undefined;
    const given = Buffer.from(signature, 'base64url');
    if (!timingSafeEqual(this.sign(tenantId, id, expires), given)) return undefined;
    const left = Number(expires) - Date.now() / 1000;
    return left > 0 ? left : undefined;
  }

  private sign(tenantId: string, id: string, expires: string): Buffer {
    return createHmac('sha256', this.key).update(`${tenantId}:${id}:${expires}`).digest();
  }
}
