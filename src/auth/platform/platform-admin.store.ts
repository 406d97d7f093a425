import { Injectable } from '@nestjs/common';
import type { DataSource, EntityManager } from 'typeorm';
import { LOWEST_ID, type Page } from '../../common/index.js';
import { InjectPlatformDataSource, PlatformCursors } from '../../tenancy/index.js';
import type { PlatformRole } from './platform-permissions.js';

/** What cursors are sealed with. */
const LIST = 'platform-admins';

/** Serialises what must hold over all admins: that there is a first one, and always a last one. */
const LOCK = `SELECT pg_advisory_xact_lock(hashtext('tenantry:platform-admins'))`;

/** A platform admin as stored. */
export interface PlatformAdmin {
  id: string;
  email: string;
  name: string;
  role: PlatformRole;
  status: 'active' | 'disabled';
  password_hash: string | null;
  must_change_password: boolean;
  token_version: number;
  /** Sealed. */
  mfa_secret: Buffer | null;
  /** Sealed; of an enrolment that is not confirmed yet. */
  mfa_pending: Buffer | null;
  mfa_enabled_at: Date | null;
  recovery_codes: number;
  last_sign_in_at: Date | null;
  created_at: Date;
}

const SELECT = `SELECT id, email, name, role, status, password_hash, must_change_password, token_version, mfa_secret,
  mfa_pending, mfa_enabled_at, cardinality(recovery_hashes) AS recovery_codes, last_sign_in_at, created_at
  FROM platform_admins`;
const SQL = {
  byEmail: `${SELECT} WHERE email_key = $1`,
  byId: `${SELECT} WHERE id = $1`,
  locked: `${SELECT} WHERE id = $1 FOR UPDATE`,
  page: `${SELECT} WHERE id > $1 ORDER BY id LIMIT $2`,
};

/** Reads platform admins; what changes them belongs to the services. */
@Injectable()
export class PlatformAdminStore {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly cursors: PlatformCursors,
  ) {}

  async byEmail(emailKey: string): Promise<PlatformAdmin | undefined> {
    return (await this.platform.query<PlatformAdmin[]>(SQL.byEmail, [emailKey]))[0];
  }

  /** @param manager of the transaction that this is a part of */
  async byId(id: string, manager: Pick<EntityManager, 'query'> = this.platform): Promise<PlatformAdmin | undefined> {
    return (await manager.query<PlatformAdmin[]>(SQL.byId, [id]))[0];
  }

  /** Keeps others from changing the row until the transaction ends. */
  async locked(id: string, manager: EntityManager): Promise<PlatformAdmin | undefined> {
    return (await manager.query<PlatformAdmin[]>(SQL.locked, [id]))[0];
  }

  async isEmpty(manager: Pick<EntityManager, 'query'> = this.platform): Promise<boolean> {
    return (await manager.query<unknown[]>('SELECT 1 FROM platform_admins LIMIT 1')).length === 0;
  }

  /** Oldest first. @throws CursorInvalid */
  async page(limit: number, cursor: string | undefined): Promise<Page<PlatformAdmin>> {
    const after = this.cursors.open(LIST, cursor) ?? LOWEST_ID;
    const rows = await this.platform.query<PlatformAdmin[]>(SQL.page, [after, limit + 1]);
    return this.cursors.page(LIST, rows, limit, ({ id }) => id);
  }

  /** Runs `fn` in a transaction that no other of its kind overlaps. */
  exclusively<T>(fn: (manager: EntityManager) => Promise<T>): Promise<T> {
    return this.platform.transaction(async (manager) => {
      await manager.query(LOCK);
      return fn(manager);
    });
  }
}
