import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import { InjectTenantRepository, TenantContext, type TenantRepository } from '../../tenancy/index.js';
import { KnownAddresses } from '../devices/known.addresses.js';
import { DirectoryPasswords } from '../directory/directory.passwords.js';
import { PasswordHasher } from '../passwords/password.hasher.js';
import { User } from '../users/user.entity.js';
import { SharedSignInThrottle } from './shared-sign-in.throttle.js';

/**
 * One try at a password of the current tenant, here or in its own directory. Held by the throttle, and with the same
 * statements, the same hash and the same questions to the directory whether or not there is such a user, so that neither
 * answer nor time tells.
 */
@Injectable()
export class PasswordCheck {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly known: KnownAddresses,
    private readonly throttle: SharedSignInThrottle,
    private readonly hasher: PasswordHasher,
    private readonly directory: DirectoryPasswords,
    private readonly context: TenantContext,
  ) {}

  /**
   * @param emailKey the account as it was named
   * @param user who has it; a disabled one is checked like an unknown one
   * @param left aborted when nobody waits for the answer any more
   * @returns whether it is right
   * @throws TooManyAttempts, SignInBusy, ClientLeft; DirectoryUnavailable for whom the directory would know, or nobody does
   */
  async isRight(emailKey: string, user: User | null, password: string, left?: AbortSignal): Promise<boolean> {
    const tenant = this.context.currentOrThrow('A password');
    const address = this.context.address();
    const { signedIn, provenMsAgo } = await this.known.of(user?.id, address);
    const trusted = signedIn || provenMsAgo !== undefined;
    const attempt = await this.throttle.check(tenant.id, emailKey, address, { trusted, forgivenMsAgo: provenMsAgo });
    try {
      const right = await this.look(emailKey, user?.status === 'active' ? user : null, password, left);
      if (right) attempt.succeeded();
      return right;
    } catch (error) {
      attempt.abandoned();
      throw error;
    }
  }

  private async look(emailKey: string, user: User | null, password: string, left?: AbortSignal): Promise<boolean> {
    const elsewhere = user !== null && this.directory.checks(user);
    const stored = elsewhere ? undefined : (user?.passwordHash ?? undefined);
    const { ok, rehash } = await this.hasher.verify(stored, password, left);
    if (ok && user && rehash) await this.rehash(user, password);
    if (ok || !this.directory.configured) return ok;
    if (elsewhere) return this.directory.isRight(user.email, password);
    const pretended = this.directory.pretend(user?.email ?? emailKey);
    // Whoever has a password here is not told that the directory is away.
    await (user ? pretended.catch(() => undefined) : pretended);
    return false;
  }

  /** As the parameters have risen since; unless the password was changed meanwhile. */
  private async rehash(user: User, password: string): Promise<void> {
    const passwordHash = await this.hasher.hash(password);
    const before = { id: user.id, passwordHash: user.passwordHash ?? IsNull() };
    if ((await this.users.update(before, { passwordHash })) === 1) user.passwordHash = passwordHash;
  }
}
