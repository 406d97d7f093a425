import { createHmac, createSecretKey, type KeyObject, randomBytes, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import { bytesToUuid, type KeyRing, sha256, uuidToBytes } from '../common/index.js';

/** Kinds of credential. Those with a subject also carry the id of the row that they open. */
const KINDS = {
  session: { code: 1, subject: false },
  refresh: { code: 3, subject: true },
  'api-key': { code: 4, subject: true },
  invitation: { code: 5, subject: true },
  'reset-password': { code: 6, subject: true },
  'verify-email': { code: 7, subject: true },
  mfa: { code: 8, subject: true },
  'platform-refresh': { code: 9, subject: true },
  'platform-mfa': { code: 10, subject: true },
  signup: { code: 20, subject: true },
  'signup-invite': { code: 21, subject: true },
  sso: { code: 30, subject: true },
  'sandbox-access': { code: 11, subject: false },
} as const;
const CURSOR = 2;
export type CredentialKind = keyof typeof KINDS;

const ID_BYTES = 16;
/** Chosen so that the whole fills base64url: with spare bits, two texts would mean the same bytes. */
const RANDOM_BYTES = { alone: 18, withSubject: 17 };
const MAC_BYTES = 16;
/** Credentials whose MAC was checked before; the check costs more than the look-up. */
const VERIFIED_SIZE = 100_000;

interface Verified {
  kind: CredentialKind;
  tenantId: string;
  hash: Buffer;
}

/** What an authentic credential says of itself. */
export interface OpenedCredential {
  tenantId: string;
  /** The id of the row that it opens; for a kind without a subject, the tenant's own id. */
  subjectId: string;
}

/**
 * Opaque credentials that route themselves: kind, tenant UUID, the subject's id where the kind has one, at least 136 random
 * bits and a truncated HMAC-SHA-256 over all of it (RFC 2104), in base64url. Only {@link hash} of one is ever stored.
 */
export class CredentialCodec {
  readonly #key: KeyObject;
  readonly #verified = new LRUCache<string, Verified>({ max: VERIFIED_SIZE });

  constructor(keys: KeyRing) {
    this.#key = createSecretKey(keys.derive('credential-mac'));
  }

  /** @param subjectId the row that the credential opens, for kinds that carry one */
  mint(kind: CredentialKind, tenantId: string, subjectId?: string): string {
    return this.mintBytes(kind, tenantId, subjectId).toString('base64url');
  }

  /** The same as bytes, for kinds with a text form of their own. */
  mintBytes(kind: CredentialKind, tenantId: string, subjectId?: string): Buffer {
    const { code, subject } = KINDS[kind];
    if (subject !== (subjectId !== undefined)) throw new Error(`A credential of kind ${kind} was minted wrongly.`);
    const ids = subjectId === undefined ? [] : [uuidToBytes(subjectId)];
    const body = Buffer.concat([Buffer.of(code), uuidToBytes(tenantId), ...ids, randomBytes(randomOf(kind))]);
    return Buffer.concat([body, this.mac(body)]);
  }

  /** @returns the tenant that the credential was minted for, or undefined if it is not authentic */
  tenantOf(kind: CredentialKind, text: string): string | undefined {
    const known = this.#verified.get(text);
    if (known?.kind === kind) return known.tenantId;
    const tenantId = this.open(kind, text)?.tenantId;
    if (tenantId !== undefined) this.#verified.set(text, { kind, tenantId, hash: sha256(text) });
    return tenantId;
  }

  /** @returns what the credential carries, or undefined if it is not authentic; never throws */
  open(kind: CredentialKind, text: string): OpenedCredential | undefined {
    if (text.length !== Math.ceil((lengthOf(kind) * 4) / 3) || !/^[\w-]+$/.test(text)) return undefined;
    return this.openBytes(kind, Buffer.from(text, 'base64url'));
  }

  openBytes(kind: CredentialKind, bytes: Buffer): OpenedCredential | undefined {
    const { code, subject } = KINDS[kind];
    if (bytes.length !== lengthOf(kind) || bytes[0] !== code) return undefined;
    const body = bytes.subarray(0, bytes.length - MAC_BYTES);
    if (!timingSafeEqual(this.mac(body), bytes.subarray(bytes.length - MAC_BYTES))) return undefined;
    const tenantId = bytesToUuid(bytes.subarray(1, 1 + ID_BYTES));
    return { tenantId, subjectId: subject ? bytesToUuid(bytes.subarray(1 + ID_BYTES, 1 + 2 * ID_BYTES)) : tenantId };
  }

  /** @returns SHA-256, the only form in which a credential is stored */
  hash(text: string): Buffer {
    return this.#verified.get(text)?.hash ?? sha256(text);
  }

  /** A page cursor bound to its tenant and owner (for example a session's id): of no use anywhere else. */
  sealCursor(tenantId: string, owner: string, position: string): string {
    const mac = this.cursorMac(tenantId, owner, position);
    return Buffer.concat([uuidToBytes(position), mac]).toString('base64url');
  }

  /** @returns the position, or undefined if the cursor is not authentic here */
  openCursor(tenantId: string, owner: string, cursor: string): string | undefined {
    const bytes = Buffer.from(cursor, 'base64url');
    if (bytes.length !== 16 + MAC_BYTES) return undefined;
    const position = bytesToUuid(bytes.subarray(0, 16));
    return timingSafeEqual(this.cursorMac(tenantId, owner, position), bytes.subarray(16)) ? position : undefined;
  }

  private cursorMac(tenantId: string, owner: string, position: string): Buffer {
    return this.mac(Buffer.from(`${CURSOR}:${tenantId}:${owner}:${position}`));
  }

  private mac(body: Buffer): Buffer {
    return createHmac('sha256', this.#key).update(body).digest().subarray(0, MAC_BYTES);
  }
}

function randomOf(kind: CredentialKind): number {
  return KINDS[kind].subject ? RANDOM_BYTES.withSubject : RANDOM_BYTES.alone;
}

function lengthOf(kind: CredentialKind): number {
  return 1 + ID_BYTES * (KINDS[kind].subject ? 2 : 1) + randomOf(kind) + MAC_BYTES;
}
