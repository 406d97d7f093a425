import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { PlatformAudit } from '../../audit/index.js';
import { HIGHEST_ID, newId, type Page } from '../../common/index.js';
import { CredentialCodec, InjectPlatformDataSource, NO_TENANT, PlatformCursors } from '../../tenancy/index.js';
import type { Plan } from '../../tenant/index.js';
import { InviteRefused, UnknownInvite } from '../signup.errors.js';

/** An invite as platform admins see it. Its code is shown once. */
export interface SignupInvite {
  id: string;
  plan: Plan | null;
  note: string | null;
  created_by: string;
  created_at: Date;
  expires_at: Date;
  used_at: Date | null;
}

const COLUMNS = 'id, plan, note, created_by, created_at, expires_at, used_at';
const INSERT = `INSERT INTO signup_invites (id, code_hash, plan, note, created_by, expires_at)
  VALUES ($1, $2, $3, $4, $5, now() + $6 * interval '1 day') RETURNING ${COLUMNS}`;
const LIST = `SELECT ${COLUMNS} FROM signup_invites WHERE id < $1 ORDER BY id DESC LIMIT $2`;
/** Good, and no sign-up that could still be confirmed has it. */
const FREE = `SELECT i.id, i.plan FROM signup_invites i
  WHERE i.id = $1 AND i.code_hash = $2 AND i.used_at IS NULL AND i.expires_at > now() AND NOT EXISTS (
    SELECT 1 FROM signups s WHERE s.invite_id = i.id AND s.tenant_id IS NULL AND s.expires_at > now())`;
const FREE_LOCKED = `${FREE} FOR UPDATE OF i`;
const USE = 'UPDATE signup_invites SET used_at = now() WHERE id = $1';
const REVOKE = 'DELETE FROM signup_invites WHERE id = $1 AND used_at IS NULL RETURNING id';

/** What cursors are sealed with. */
const INVITES = 'signup-invites';

type Taken = Pick<SignupInvite, 'id' | 'plan'>;

/** Codes that let one customer sign up. */
@Injectable()
export class SignupInvites {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly credentials: CredentialCodec,
    private readonly cursors: PlatformCursors,
    private readonly audit: PlatformAudit,
  ) {}

  /** @returns the invite with its code, which is not kept and cannot be shown again */
  async create(
    adminId: string,
    { plan, note, days }: { plan?: Plan; note?: string; days: number },
  ): Promise<{ invite: SignupInvite; code: string }> {
    const id = newId();
    const code = this.credentials.mint('signup-invite', NO_TENANT, id);
    return this.platform.transaction(async (manager) => {
      const values = [id, this.credentials.hash(code), plan ?? null, note?.trim() ?? null, adminId, days];
      const [invite] = await manager.query<[SignupInvite]>(INSERT, values);
      await this.audit.record(manager, {
        event: 'signup-invite.created',
        target: { kind: 'signup-invite', id },
        after: { plan: invite.plan, note: invite.note, expires_at: invite.expires_at },
      });
      return { invite, code };
    });
  }

  /** Newest first. @throws CursorInvalid */
  async list(limit: number, cursor?: string): Promise<Page<SignupInvite>> {
    const before = this.cursors.open(INVITES, cursor) ?? HIGHEST_ID;
    const rows = await this.platform.query<SignupInvite[]>(LIST, [before, limit + 1]);
    return this.cursors.page(INVITES, rows, limit, ({ id }) => id);
  }

  /** Takes a code back. A sign-up that has it already goes on. @throws UnknownInvite */
  async revoke(id: string): Promise<void> {
    await this.platform.transaction(async (manager) => {
      const [, gone] = await manager.query<[unknown[], number]>(REVOKE, [id]);
      if (gone !== 1) throw new UnknownInvite();
      await this.audit.record(manager, { event: 'signup-invite.revoked', target: { kind: 'signup-invite', id } });
    });
  }

  /** @throws InviteRefused */
  async find(code: string): Promise<Taken> {
    return first(await this.platform.query<Taken[]>(FREE, this.keyOf(code)));
  }

  /** Locks the invite; it is the sign-up's as soon as that names it. @throws InviteRefused */
  async take(manager: EntityManager, code: string): Promise<Taken> {
    return first(await manager.query<Taken[]>(FREE_LOCKED, this.keyOf(code)));
  }

  /** For good, with the tenant. */
  async use(manager: EntityManager, id: string): Promise<void> {
    await manager.query(USE, [id]);
  }

  private keyOf(code: string): [string, Buffer] {
    const opened = this.credentials.open('signup-invite', code);
    if (!opened) throw new InviteRefused();
    return [opened.subjectId, this.credentials.hash(code)];
  }
}

function first(rows: Taken[]): Taken {
  if (!rows[0]) throw new InviteRefused();
  return rows[0];
}
