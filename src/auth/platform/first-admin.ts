import { Inject, Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { PlatformAudit } from '../../audit/index.js';
import { newId } from '../../common/index.js';
import { DATABASE, ENV, type PreparedDatabase } from '../../database/index.js';
import { type Env, EnvError, mailHost } from '../../env/index.js';
import { PasswordHasher } from '../passwords/password.hasher.js';
import { checkPassword } from '../passwords/password.policy.js';
import { emailKey } from '../users/email-key.js';
import { newOneTimePassword } from './admins.service.js';
import { PlatformAdminStore } from './platform-admin.store.js';

const NAME = 'First admin';

/** Sees to it that there is somebody who can let others in. Does nothing once there is any platform admin. */
@Injectable()
export class FirstAdmin {
  constructor(
    private readonly admins: PlatformAdminStore,
    private readonly hasher: PasswordHasher,
    private readonly audit: PlatformAudit,
    @Inject(ENV) private readonly env: Env,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
  ) {}

  /**
   * The one that the environment names.
   *
   * @throws EnvError outside demo mode when the password is one that is guessed
   */
  async fromEnv(): Promise<void> {
    const { platformAdmin, demo } = this.env;
    if (!platformAdmin || !(await this.isMissing())) return;
    const { email, password } = platformAdmin;
    const problems = demo ? [] : checkPassword(password, { email, name: '', tenantName: 'Tenantry platform' });
    if (problems.length > 0) {
      throw new EnvError(problems.map(({ detail }) => `PLATFORM_ADMIN_PASSWORD="***" is not allowed: it ${detail}.`));
    }
    await this.create(email, password, false);
  }

  /**
   * One with a password that only the terminal of the first start of an embedded database sees. Call it when nothing can
   * keep that terminal from seeing it any more.
   *
   * @returns undefined when there was an admin already, or somebody else has to say who it is
   */
  async withOneTimePassword(): Promise<{ email: string; password: string } | undefined> {
    if (!this.database.embedded || this.env.platformAdmin || !(await this.isMissing())) return undefined;
    const email = `admin@${mailHost(this.env.publicUrl)}`;
    const password = newOneTimePassword();
    return (await this.create(email, password, true)) ? { email, password } : undefined;
  }

  /** Asked before a password is hashed for nothing; asked again when nobody else can be answered the same. */
  private isMissing(manager?: EntityManager): Promise<boolean> {
    return this.admins.isEmpty(manager);
  }

  private async create(email: string, password: string, mustChange: boolean): Promise<boolean> {
    const hash = await this.hasher.hash(password);
    return this.admins.exclusively(async (manager) => {
      if (!(await this.isMissing(manager))) return false;
      const id = newId();
      await manager.query(
        `INSERT INTO platform_admins (id, email, email_key, name, role, password_hash, must_change_password)
         VALUES ($1, $2, $3, $4, 'admin', $5, $6)`,
        [id, email, emailKey(email), NAME, hash, mustChange],
      );
      await this.audit.record(manager, {
        event: 'platform-admin.created',
        target: { kind: 'platform-admin', id },
        after: { email, name: NAME, role: 'admin' },
      });
      return true;
    });
  }
}
