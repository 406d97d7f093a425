import { Injectable } from '@nestjs/common';
import { AuditService } from '../../audit/index.js';
import { InjectTenantRepository, TenantContext, type TenantRepository } from '../../tenancy/index.js';
import { CredentialInvalid } from '../auth.errors.js';
import { PasswordCheck } from '../sign-in/password.check.js';
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
    private readonly passwords: PasswordCheck,
    private readonly context: TenantContext,
    private readonly security: AuditService,
  ) {}

  /**
   * @param left aborted when nobody waits for the answer any more
   * @throws PasswordRefused, TooManyAttempts, SignInBusy
   */
  async demand(userId: string, password: string, left?: AbortSignal): Promise<User> {
    const tenant = this.context.currentOrThrow('A password');
    const user = await this.users.findOneBy({ id: userId, status: 'active' });
    if (!user) throw new CredentialInvalid();
    if (!(await this.passwords.isRight(user.emailKey, user, password, left))) {
      this.security.record({
        event: 'user.password-refused',
        tenantId: tenant.id,
        address: this.context.address(),
        actor: { kind: 'user', id: user.id, name: user.name },
        target: { kind: 'user', id: user.id },
        details: {},
      });
      throw new PasswordRefused();
    }
    return user;
  }
}
