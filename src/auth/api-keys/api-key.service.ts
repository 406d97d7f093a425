import { Injectable } from '@nestjs/common';
import { TenantAudit } from '../../audit/index.js';
import { isUuid, newId, type Page, sha256, ValidationFailed } from '../../common/index.js';
import { Mailer, MailLinks } from '../../mail/index.js';
import {
  CredentialCodec,
  InjectTenantRepository,
  TenantContext,
  TenantCursors,
  type TenantRepository,
  TenantTransaction,
} from '../../tenancy/index.js';
import type { TenantPrincipal } from '../access/principal.js';
import { Grants, type Reach } from '../roles/grants.js';
import { User } from '../users/user.entity.js';
import { UserStates } from '../users/user-states.js';
import { ApiKey } from './api-key.entity.js';
import { ApiKeyChanged, ApiKeyExpired, ApiKeyNotFound } from './api-key.errors.js';
import { encodeApiKey } from './api-key.format.js';
import {
  checkedPermissions,
  checkedRanges,
  type Granter,
  type KeyReach,
  refuseMoreThanHeld,
} from './api-key.grants.js';
import { API_KEY_WRITE } from './api-key.permissions.js';

/** What cursors are sealed with. */
const LIST = 'api-keys';

export interface NewKey {
  key: ApiKey;
  /** The credential itself, which nothing can show again. */
  text: string;
}

/** What is to change; what is left out stays. */
export type KeyChange = { name?: string } & Partial<KeyReach>;

/** The tenant's API keys. They belong to the tenant: whoever made one may go, and the key works on. */
@Injectable()
export class ApiKeyService {
  constructor(
    @InjectTenantRepository(ApiKey) private readonly keys: TenantRepository<ApiKey>,
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly grants: Grants,
    private readonly states: UserStates,
    private readonly credentials: CredentialCodec,
    private readonly cursors: TenantCursors,
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
    private readonly audit: TenantAudit,
    private readonly mailer: Mailer,
    private readonly links: MailLinks,
  ) {}

  /** Newest first. @throws CursorInvalid */
  async list(limit: number, cursor?: string): Promise<Page<ApiKey>> {
    const before = this.cursors.open(LIST, cursor);
    const query = this.keys
      .createQueryBuilder('key')
      .orderBy('key.id', 'DESC')
      .limit(limit + 1);
    if (before !== undefined) query.where('key.id < :before', { before });
    return this.cursors.page(LIST, await query.getMany(), limit, ({ id }) => id);
  }

  /** @throws ApiKeyNotFound */
  async get(id: string): Promise<ApiKey> {
    const key = isUuid(id) ? await this.keys.findOneBy({ id }) : null;
    if (!key) throw new ApiKeyNotFound();
    return key;
  }

  /**
   * A new key, and the write that makes it valid, to be awaited before the key is given out.
   *
   * @throws ValidationFailed; from the write GrantExceedsOwn, CredentialInvalid, PermissionMissing
   */
  prepare(actor: TenantPrincipal, name: string, asked: KeyReach): { made: NewKey; write: () => Promise<void> } {
    const made = this.mint(actor, name, checked(asked));
    const write = (): Promise<void> =>
      this.transaction.run(async () => {
        const reach = await this.grants.begin(actor, API_KEY_WRITE);
        refuseMoreThanHeld(made.key, granterOf(reach));
        await this.store(actor, reach, made, 'api-key.created', {});
      });
    return { made, write };
  }

  /**
   * A successor of a key with its name and reach, and the write that makes it valid and lets the old one expire.
   *
   * @param overlapSeconds how long the old one works on, unless it expires before
   * @throws ApiKeyNotFound, ApiKeyExpired; from the write also ApiKeyChanged, and GrantExceedsOwn, for whoever rotates a
   * key gets to hold it
   */
  async prepareRotation(
    actor: TenantPrincipal,
    id: string,
    overlapSeconds: number,
  ): Promise<{ made: NewKey; write: () => Promise<void> }> {
    const old = await this.get(id);
    if (old.expiresAt && old.expiresAt.getTime() <= Date.now()) throw new ApiKeyExpired();
    const made = this.mint(actor, old.name, old);
    const write = (): Promise<void> =>
      this.transaction.run(async () => {
        const { key: now, reach } = await this.reached(actor, id);
        // The successor would not be what its text was made for.
        if (!sameReach(now, old)) throw new ApiKeyChanged();
        refuseMoreThanHeld(now, granterOf(reach));
        const end = new Date(Date.now() + overlapSeconds * 1000);
        const expiresAt = now.expiresAt && now.expiresAt < end ? now.expiresAt : end;
        await this.keys.update({ id }, { expiresAt });
        await this.states.changed(id);
        const details = { predecessor: id, predecessor_ends: expiresAt };
        await this.store(actor, reach, made, 'api-key.rotated', details);
      });
    return { made, write };
  }

  /**
   * Whatever a change leaves a key able to do, whoever changes it must be able to do as well; only the name is free.
   *
   * @throws ApiKeyNotFound, ValidationFailed, GrantExceedsOwn
   */
  async change(actor: TenantPrincipal, id: string, { name, ...asked }: KeyChange): Promise<ApiKey> {
    return this.transaction.run(async () => {
      const { key, reach } = await this.reached(actor, id);
      const given = Object.fromEntries(Object.entries(asked).filter(([, value]) => value !== undefined));
      const after: KeyReach = { ...reachOf(key), ...given };
      const changes: KeyChange = { ...(name !== undefined && { name }) };
      if (Object.keys(given).length > 0) {
        const valid = checked(after, 'expiresAt' in given);
        refuseMoreThanHeld(valid, granterOf(reach));
        Object.assign(changes, valid);
      }
      if (Object.keys(changes).length === 0) return key;
      await this.keys.update({ id }, changes);
      await this.states.changed(id);
      const changed = Object.assign(new ApiKey(), key, changes);
      const [before, now] = [key, changed].map(forAudit);
      await this.audit.record({ event: 'api-key.changed', target: { kind: 'api-key', id }, before, after: now });
      return changed;
    });
  }

  /** At once, in every process. @throws ApiKeyNotFound */
  async revoke(actor: TenantPrincipal, id: string): Promise<void> {
    await this.transaction.run(async () => {
      const { key } = await this.reached(actor, id);
      await this.keys.delete({ id });
      await this.states.changed(id);
      await this.audit.record({ event: 'api-key.revoked', target: { kind: 'api-key', id }, before: forAudit(key) });
    });
  }

  /** The key and how far the actor reaches, by rows that stay locked: the guard knew what was so a moment ago. */
  private async reached(actor: TenantPrincipal, id: string): Promise<{ key: ApiKey; reach: Reach }> {
    const reach = await this.grants.begin(actor, API_KEY_WRITE, { keys: isUuid(id) ? [id] : [] });
    const key = reach.apiKey(id);
    if (!key) throw new ApiKeyNotFound();
    return { key, reach };
  }

  private mint(actor: TenantPrincipal, name: string, reach: KeyReach): NewKey {
    const id = newId();
    const text = encodeApiKey(this.credentials.mintBytes('api-key', this.context.currentOrThrow('An API key').id, id));
    const key = Object.assign(new ApiKey(), {
      id,
      name,
      hint: `${text.slice(0, 8)}…${text.slice(-4)}`,
      keyHash: sha256(text),
      ...reachOf(reach),
      createdBy: actor.id,
      createdAt: new Date(),
      lastUsedAt: null,
      lastUsedAddress: null,
    });
    return { key, text };
  }

  private async store(
    actor: TenantPrincipal,
    reach: Reach,
    { key }: NewKey,
    event: string,
    details: object,
  ): Promise<void> {
    await this.keys.insert(key);
    await this.audit.record({ event, target: { kind: 'api-key', id: key.id }, after: forAudit(key), details });
    // Of a key that makes keys, the person who made it is told.
    const person = reach.callersKey ? reach.callersKey.createdBy : actor.id;
    const user = person === null ? null : await this.users.findOneBy({ id: person });
    if (!user) return;
    await this.mailer.send({
      template: 'api-key-created',
      to: { address: user.email, name: user.name },
      data: { key: key.name, creator: actor.name, when: key.createdAt.toUTCString() },
      links: { action: this.links.linkFor(this.context.currentOrThrow('An API key'), '/account/api-keys') },
    });
  }
}

function granterOf({ permissions, callersKey }: Reach): Granter {
  return { permissions, ...(callersKey && { bounds: callersKey }) };
}

/** @throws ValidationFailed @param newExpiry whether the expiry is given, and must lie ahead */
function checked({ permissions, addressRanges, expiresAt }: KeyReach, newExpiry = true): KeyReach {
  if (newExpiry && expiresAt && expiresAt.getTime() <= Date.now()) {
    throw new ValidationFailed([{ pointer: '/expires_at', detail: 'must lie in the future' }]);
  }
  return { permissions: checkedPermissions(permissions), addressRanges: checkedRanges(addressRanges), expiresAt };
}

function reachOf({ permissions, addressRanges, expiresAt }: KeyReach): KeyReach {
  return { permissions, addressRanges, expiresAt };
}

function sameReach(a: KeyReach, b: KeyReach): boolean {
  return JSON.stringify(reachOf(a)) === JSON.stringify(reachOf(b));
}

function forAudit({ name, hint, permissions, addressRanges, expiresAt }: ApiKey): object {
  return { name, hint, permissions, address_ranges: addressRanges, expires_at: expiresAt };
}
