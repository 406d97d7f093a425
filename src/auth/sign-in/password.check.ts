import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import { InjectTenantRepository, TenantContext, type TenantRepository } from '../../tenancy/index.js';
import { KnownAddresses } from '../devices/known.addresses.js';
import { PasswordHasher, type PasswordVerdict } from '../passwords/password.hasher.js';
import { User } from '../users/user.entity.js';
import { SignInThrottle } from './sign-in.throttle.js';

/**
 * One try at a password of the current tenant. Held by the throttle, and with the same statements and the same hash
 * whether or not there is such a user, so that neither answer nor time tells.
 */
@Injectable()
export class PasswordCheck {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly known: KnownAddresses,
    private readonly throttle: SignInThrottle,
    private readonly hasher: PasswordHasher,
    private readonly context: TenantContext,
  ) {}

  /**
   * @param emailKey the account as it was named
   * @param user who has it; a disabled one is checked like an unknown one
   * @param left aborted when nobody waits for the answer any more
   * @returns whether it is right
   * @throws TooManyAttempts, SignInBusy, ClientLeft
   */
  async isRight(emailKey: string, user: User | null, password: string, left?: AbortSignal): Promise<boolean> {
    const tenant = this.context.currentOrThrow('A password');
    const address = this.context.address();
    const { signedIn, provenMsAgo } = await this.known.of(user?.id, address);
    const trusted = signedIn || provenMsAgo !== undefined;
    const attempt = this.throttle.check(tenant.id, emailKey, address, { trusted, forgivenMsAgo: provenMsAgo });
    const stored = user?.status === 'active' ? (user.passwordHash ?? undefined) : undefined;
    let verdict: PasswordVerdict;
    try {
      verdict = await this.hasher.verify(stored, password, left);
    } catch (error) {
      attempt.abandoned();
      throw error;
    }
    if (!verdict.ok) return false;
    attempt.succeeded();
    if (user && verdict.rehash) await this.rehash(user, password);
    return true;
  }

  /** As the parameters have risen since; unless the password was changed meanwhile. */
  private async rehash(user: User, password: string): Promise<void> {
    const passwordHash = await this.hasher.hash(password);
    const before = { id: user.id, passwordHash: user.passwordHash ?? IsNull() };
    if ((await this.users.update(before, { passwordHash })) === 1) user.passwordHash = passwordHash;
  }
}
