import { Inject, Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { TenantAudit } from '../../audit/index.js';
import { AppError, seal, unseal } from '../../common/index.js';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import {
  CredentialCodec,
  InjectPlatformDataSource,
  InjectTenantRepository,
  TenantContext,
  type TenantRepository,
  TenantTransaction,
} from '../../tenancy/index.js';
import { TenantErasure } from '../../tenant/index.js';
import { EmailDirectory } from '../account/email.directory.js';
import { CredentialInvalid } from '../auth.errors.js';
import { type Client, SignInService, type TokenPair } from '../sign-in/sign-in.service.js';
import { isDuplicateOf } from '../users/duplicates.js';
import { emailKey } from '../users/email-key.js';
import { newUser } from '../users/new.user.js';
import { User } from '../users/user.entity.js';

/** Life of a code in seconds. */
export const CODE_SECONDS = 300;

/** Who a sandbox is made for, and who gets into it. */
export interface SandboxPerson {
  email: string;
  name: string;
}

/** Unknown, used, expired, of another tenant: one answer. */
export class SandboxCodeRefused extends AppError {
  constructor() {
    super({
      status: 401,
      code: 'sandbox_code_refused',
      detail: 'This code does not let you in.',
      remedy: 'A code works once, for five minutes. Get another with POST /api/sandboxes/{slug}/access.',
    });
  }
}

export class SandboxAccountTaken extends AppError {
  constructor() {
    super({
      status: 409,
      code: 'sandbox_account_taken',
      detail: 'Your address belongs to somebody in the sandbox who is no active owner.',
      remedy: 'Have an owner of the sandbox change that, or reset the sandbox.',
    });
  }
}

/**
 * Lets a person of one tenant into its sandbox: a code is given out in the scope of the one, and traded for a sign-in in
 * the scope of the other, since no scope sees both. Neither a password nor a mail takes part.
 */
@Injectable()
export class SandboxAccess {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly credentials: CredentialCodec,
    private readonly context: TenantContext,
    private readonly transaction: TenantTransaction,
    private readonly directory: EmailDirectory,
    private readonly signIns: SignInService,
    private readonly audit: TenantAudit,
    erasure: TenantErasure,
  ) {
    erasure.register(async (manager, tenantId) => {
      await manager.query('DELETE FROM sandbox_access WHERE tenant_id = $1', [tenantId]);
    });
  }

  /** @param userId of a user of the current tenant @throws CredentialInvalid when they are gone */
  async personOf(userId: string): Promise<SandboxPerson> {
    const user = await this.users.findOneBy({ id: userId });
    if (!user) throw new CredentialInvalid();
    return { email: user.email, name: user.name };
  }

  /** @returns a code for the sandbox, of use once and for {@link CODE_SECONDS} */
  async give(sandboxId: string, { email, name }: SandboxPerson): Promise<string> {
    const code = this.credentials.mint('sandbox-access', sandboxId);
    await this.platform.query(
      `WITH old AS (DELETE FROM sandbox_access WHERE expires_at < now())
       INSERT INTO sandbox_access (code_hash, tenant_id, person, expires_at)
       VALUES ($1, $2, $3, now() + $4 * interval '1 second')`,
      [
        this.credentials.hash(code),
        sandboxId,
        seal(this.key(), JSON.stringify({ email, name }), sandboxId),
        CODE_SECONDS,
      ],
    );
    return code;
  }

  /** Signs in, as an owner of the current tenant, who the code was given to. @throws SandboxCodeRefused, SandboxAccountTaken */
  async redeem(code: string, client: Client): Promise<TokenPair> {
    const { id } = this.context.currentOrThrow('A sandbox');
    if (this.credentials.open('sandbox-access', code)?.tenantId !== id) throw new SandboxCodeRefused();
    const [rows] = await this.platform.query<[{ person: Buffer; good: boolean }[], number]>(
      'DELETE FROM sandbox_access WHERE code_hash = $1 AND tenant_id = $2 RETURNING person, expires_at > now() AS good',
      [this.credentials.hash(code), id],
    );
    if (!rows[0]?.good) throw new SandboxCodeRefused();
    const person = JSON.parse(unseal(this.key(), rows[0].person, id).toString('utf8')) as SandboxPerson;
    const user = await this.ownerFor(person);
    if (user.role !== 'owner' || user.status !== 'active') throw new SandboxAccountTaken();
    return this.signIns.open(user, client, 'sandbox-access');
  }

  /** Of several owners of the source, those who did not make the sandbox become its owners when they first come. */
  private async ownerFor(person: SandboxPerson): Promise<User> {
    const where = { emailKey: emailKey(person.email) };
    const known = await this.users.findOneBy(where);
    if (known) return known;
    const user = newUser({ ...person, role: 'owner' });
    try {
      await this.transaction.run(async () => {
        await this.users.insert(user);
        await this.directory.changed(user.emailKey);
        await this.audit.record({
          event: 'user.created',
          target: { kind: 'user', id: user.id },
          after: { email: user.email, name: user.name, role: user.role },
        });
      });
    } catch (error) {
      if (!isDuplicateOf('users_email_key', error)) throw error;
    }
    const made = await this.users.findOneBy(where);
    if (!made) throw new SandboxCodeRefused();
    return made;
  }

  private key(): Buffer {
    return this.database.keys.derive('sandbox-access');
  }
}
