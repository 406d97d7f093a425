import { Injectable } from '@nestjs/common';
import { AuditService } from '../../audit/index.js';
import { InjectTenantRepository, TenantContext, type TenantRepository } from '../../tenancy/index.js';
import { CredentialInvalid } from '../auth.errors.js';
import { KnownAddresses } from '../devices/known.addresses.js';
import { PasswordHasher } from '../passwords/password.hasher.js';
import { SignInThrottle } from '../sign-in/sign-in.throttle.js';
import { User } from '../users/user.entity.js';
import { PasswordRefused } from './account.errors.js';

/**
 * Asks a signed-in person for their password again, before what a stolen access token must not do. Guesses count as
 * failed sign-ins of the account, so that this is no way around the throttle.
 */
@Injectable()
export class PasswordProof {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly hasher: PasswordHasher,
    private readonly throttle: SignInThrottle,
    private readonly known: KnownAddresses,
    private readonly context: TenantContext,
    private readonly security: AuditService,
  ) {}

  /** @throws PasswordRefused, AppError 429 too_many_attempts, 503 */
  async demand(userId: string, password: string): Promise<User> {
    const tenant = this.context.currentOrThrow('A password');
    const address = this.context.address();
    const user = await this.users.findOneBy({ id: userId, status: 'active' });
    if (!user) throw new CredentialInvalid();
    const trusted = await this.known.has(user.id, address);
    const attempt = this.throttle.check(tenant.id, user.emailKey, address, { trusted });
    let ok: boolean;
    try {
      ({ ok } = await this.hasher.verify(user.passwordHash ?? undefined, password));
    } catch (error) {
      attempt.abandoned();
      throw error;
    }
    if (!ok) {
      this.security.record({
        event: 'user.password-refused',
        tenantId: tenant.id,
        address,
        actor: { kind: 'user', id: user.id, name: user.name },
        target: { kind: 'user', id: user.id },
        details: {},
      });
      throw new PasswordRefused();
    }
    attempt.succeeded();
    return user;
  }
}
