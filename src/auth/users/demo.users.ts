import { Inject, Injectable } from '@nestjs/common';
import type { DeepPartial } from 'typeorm';
import { newId } from '../../common/index.js';
import { ENV } from '../../database/index.js';
import type { Env } from '../../env/index.js';
import {
  InjectTenantRepository,
  type Tenant,
  type TenantRepository,
  TenantRunner,
  TenantTransaction,
} from '../../tenancy/index.js';
import { BUILT_IN_ROLES } from '../access/permissions.js';
import { EmailDirectory } from '../account/email.directory.js';
import { PasswordHasher } from '../passwords/password.hasher.js';
import { emailKey } from './email-key.js';
import { User } from './user.entity.js';

/** The people of the demo: one of each built-in role, all with the password of DEMO_PASSWORD. */
@Injectable()
export class DemoUsers {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly directory: EmailDirectory,
    private readonly transaction: TenantTransaction,
    private readonly runner: TenantRunner,
    private readonly hasher: PasswordHasher,
    @Inject(ENV) private readonly env: Env,
  ) {}

  /** Creates those that are missing and overwrites none. @throws Error outside demo mode */
  async load(tenants: Tenant[]): Promise<void> {
    if (!this.env.demo) throw new Error('Demo users exist in demo mode only.');
    let passwordHash: string | undefined;
    for (const tenant of tenants) {
      await this.runner.run(tenant, async () => {
        const held = new Set((await this.users.find({ select: { id: true, emailKey: true } })).map((u) => u.emailKey));
        const missing = BUILT_IN_ROLES.filter((role) => !held.has(demoEmail(role, tenant)));
        if (missing.length === 0) return;
        passwordHash ??= await this.hasher.hash(this.env.demoPassword);
        const now = new Date();
        const rows = missing.map((role) => ({
          id: newId(),
          email: demoEmail(role, tenant),
          emailKey: emailKey(demoEmail(role, tenant)),
          name: `${role.charAt(0).toUpperCase()}${role.slice(1)} of ${tenant.name}`,
          role,
          status: 'active' as const,
          passwordHash,
          emailVerifiedAt: now,
          tokenVersion: 1,
          createdAt: now,
          updatedAt: now,
        }));
        // Another process of the demo may be doing the same.
        for (const row of rows) await this.create(row).catch(ignoreDuplicate);
      });
    }
  }

  private create(row: DeepPartial<User> & Pick<User, 'emailKey'>): Promise<void> {
    return this.transaction.run(async () => {
      await this.users.insert(row);
      await this.directory.changed(row.emailKey);
    });
  }
}

function demoEmail(role: string, tenant: Tenant): string {
  return `${role}@${tenant.slug}.example`;
}

function ignoreDuplicate(error: unknown): void {
  if ((error as { driverError?: { code?: string } }).driverError?.code !== '23505') throw error as Error;
}
