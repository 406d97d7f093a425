import { Injectable } from '@nestjs/common';
import { IsNull } from 'typeorm';
import { InjectTenantRepository, type TenantRepository } from '../../tenancy/index.js';
import { type Client, SignInService, type TokenPair } from '../sign-in/sign-in.service.js';
import { emailKey } from '../users/email-key.js';
import { User } from '../users/user.entity.js';

/** Signs the owner of a new tenant in who has just shown that they read their mail. */
@Injectable()
export class FirstSignIn {
  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly signIns: SignInService,
  ) {}

  /**
   * Only somebody who never signed in: later a link in a mail must not stand in for password and second factor.
   *
   * @returns undefined when the current tenant has no such owner
   * @throws SignInRefused when the password was changed or the user disabled meanwhile
   */
  async of(email: string, client: Client): Promise<TokenPair | undefined> {
    const user = await this.users.findOneBy({
      emailKey: emailKey(email),
      role: 'owner',
      status: 'active',
      lastSignInAt: IsNull(),
    });
    return user ? this.signIns.open(user, client, 'sign-up') : undefined;
  }
}
