import { randomBytes } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { PlatformAudit } from '../../audit/index.js';
import { isUuid, newId } from '../../common/index.js';
import { PermissionMissing } from '../auth.errors.js';
import { PasswordHasher } from '../passwords/password.hasher.js';
import { emailKey } from '../users/email-key.js';
import { AdminStates } from './admin-states.js';
import { ImpersonationService } from './impersonation.service.js';
import { type PlatformAdmin, PlatformAdminStore } from './platform-admin.store.js';
import { exceeds, PLATFORM_ROLES, type PlatformPermission, type PlatformRole } from './platform-permissions.js';
import {
  AdminEmailTaken,
  AdminNotFound,
  LastPlatformAdmin,
  NoSecondFactor,
  OwnSecondFactor,
  RoleBeyondOwn,
} from './platform.errors.js';

const WRITE: PlatformPermission = 'platform-admin:write';

export interface AdminChange {
  name?: string;
  role?: PlatformRole;
  status?: 'active' | 'disabled';
}

/** @returns 120 random bits, for one sign-in */
export function newOneTimePassword(): string {
  return randomBytes(15).toString('base64url');
}

/** Platform admins, as other platform admins manage them. */
@Injectable()
export class AdminsService {
  constructor(
    private readonly admins: PlatformAdminStore,
    private readonly states: AdminStates,
    private readonly hasher: PasswordHasher,
    private readonly impersonations: ImpersonationService,
    private readonly audit: PlatformAudit,
  ) {}

  /** @throws RoleBeyondOwn, AdminEmailTaken, SignInBusy */
  async create(
    actorId: string,
    { email, name, role }: { email: string; name: string; role: PlatformRole },
  ): Promise<{ admin: PlatformAdmin; oneTimePassword: string }> {
    const oneTimePassword = newOneTimePassword();
    const passwordHash = await this.hasher.hash(oneTimePassword);
    const admin = await this.admins.exclusively(async (manager) => {
      await this.demand(actorId, [role], manager);
      const id = newId();
      const created = await manager.query<unknown[]>(
        `INSERT INTO platform_admins (id, email, email_key, name, role, password_hash, must_change_password)
         VALUES ($1, $2, $3, $4, $5, $6, true) ON CONFLICT (email_key) DO NOTHING RETURNING id`,
        [id, email.trim(), emailKey(email), name.trim(), role, passwordHash],
      );
      if (created.length === 0) throw new AdminEmailTaken();
      await this.audit.record(manager, {
        event: 'platform-admin.created',
        target: { kind: 'platform-admin', id },
        after: { email, name, role },
      });
      return (await this.admins.locked(id, manager)) as PlatformAdmin;
    });
    return { admin, oneTimePassword };
  }

  /** @throws AdminNotFound */
  async find(id: string): Promise<PlatformAdmin> {
    const admin = isUuid(id) ? await this.admins.byId(id) : undefined;
    if (!admin) throw new AdminNotFound();
    return admin;
  }

  /** @throws AdminNotFound, RoleBeyondOwn, LastPlatformAdmin */
  async change(actorId: string, id: string, change: AdminChange): Promise<PlatformAdmin> {
    if (!isUuid(id)) throw new AdminNotFound();
    const admin = await this.admins.exclusively(async (manager) => {
      const before = await this.admins.locked(id, manager);
      if (!before) throw new AdminNotFound();
      const after = { ...before, ...given(change) };
      // Who lacks what the other may do can neither take it from them nor, by re-enabling, give it back.
      await this.demand(actorId, [before.role, after.role], manager);
      if (isFullAdmin(before) && !isFullAdmin(after)) await this.keepLast(id, manager);
      const [from, to] = [facts(before), facts(after)];
      if (JSON.stringify(from) === JSON.stringify(to)) return before;
      const strips = before.role !== after.role || before.status !== after.status;
      await manager.query(
        `UPDATE platform_admins SET name = $2, role = $3, status = $4, token_version = token_version + $5, updated_at = now()
          WHERE id = $1`,
        [id, after.name, after.role, after.status, strips ? 1 : 0],
      );
      if (after.status === 'disabled') {
        await manager.query('DELETE FROM platform_devices WHERE user_id = $1', [id]);
        await manager.query('DELETE FROM platform_mfa_challenges WHERE admin_id = $1', [id]);
      }
      await this.states.changed(id, manager);
      // At the same commit: no process may go on believing that their impersonations are in force.
      if (strips) await this.impersonations.recheckAll(manager);
      await this.audit.record(manager, {
        event: 'platform-admin.changed',
        target: { kind: 'platform-admin', id },
        before: from,
        after: to,
      });
      return after;
    });
    const acts = admin.status === 'active' && PLATFORM_ROLES[admin.role].includes('impersonation:create');
    if (!acts) await this.impersonations.endAllOf(id);
    return admin;
  }

  /**
   * Takes the second factor from an admin who has lost it, with every recovery code, and signs them out; the next sign-in
   * sets up another.
   *
   * @param reason in the words of who does it, for the log
   * @throws AdminNotFound, OwnSecondFactor, NoSecondFactor, RoleBeyondOwn
   */
  async resetSecondFactor(actorId: string, id: string, reason: string): Promise<void> {
    if (!isUuid(id)) throw new AdminNotFound();
    // Else a stolen access token would rid itself of the factor.
    if (id === actorId) throw new OwnSecondFactor();
    await this.admins.exclusively(async (manager) => {
      const admin = await this.admins.locked(id, manager);
      if (!admin) throw new AdminNotFound();
      await this.demand(actorId, [admin.role], manager);
      if (admin.mfa_enabled_at === null) throw new NoSecondFactor();
      await manager.query(
        `UPDATE platform_admins SET mfa_secret = NULL, mfa_pending = NULL, mfa_enabled_at = NULL, mfa_last_step = NULL,
                recovery_hashes = '{}', token_version = token_version + 1, updated_at = now() WHERE id = $1`,
        [id],
      );
      await manager.query('DELETE FROM platform_devices WHERE user_id = $1', [id]);
      await manager.query('DELETE FROM platform_mfa_challenges WHERE admin_id = $1', [id]);
      await this.states.changed(id, manager);
      await this.audit.record(manager, {
        event: 'platform-admin.second-factor-reset',
        target: { kind: 'platform-admin', id },
        reason,
      });
    });
    await this.impersonations.endAllOf(id);
  }

  /**
   * By what the actor is now: another admin may have changed that since the guard looked.
   *
   * @throws PermissionMissing, RoleBeyondOwn
   */
  private async demand(actorId: string, roles: PlatformRole[], manager: EntityManager): Promise<void> {
    const actor = await this.admins.locked(actorId, manager);
    const own = actor?.status === 'active' ? PLATFORM_ROLES[actor.role] : [];
    if (!own.includes(WRITE)) throw new PermissionMissing(WRITE);
    if (roles.some((role) => exceeds(role, own))) throw new RoleBeyondOwn();
  }

  private async keepLast(id: string, manager: EntityManager): Promise<void> {
    const others = await manager.query<unknown[]>(
      `SELECT 1 FROM platform_admins WHERE role = 'admin' AND status = 'active' AND id <> $1 LIMIT 1`,
      [id],
    );
    if (others.length === 0) throw new LastPlatformAdmin();
  }
}

/** A field that was left out, or sent as null, stays as it is. */
function given({ name, role, status }: AdminChange): Partial<PlatformAdmin> {
  return { ...(name && { name: name.trim() }), ...(role && { role }), ...(status && { status }) };
}

function isFullAdmin({ role, status }: PlatformAdmin): boolean {
  return role === 'admin' && status === 'active';
}

function facts({ name, role, status }: PlatformAdmin) {
  return { name, role, status };
}
