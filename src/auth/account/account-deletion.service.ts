import { Injectable } from '@nestjs/common';
import { TenantAudit } from '../../audit/index.js';
import { TenantRunner, TenantTransaction } from '../../tenancy/index.js';
import { ACCOUNT_MANAGE } from '../access/permissions.js';
import type { TenantPrincipal } from '../access/principal.js';
import { CredentialInvalid } from '../auth.errors.js';
import { Grants } from '../roles/grants.js';
import { UserRemoval } from '../users/user.removal.js';
import { PasswordProof } from './password.proof.js';

@Injectable()
export class AccountDeletion {
  constructor(
    private readonly proof: PasswordProof,
    private readonly grants: Grants,
    private readonly removal: UserRemoval,
    private readonly runner: TenantRunner,
    private readonly transaction: TenantTransaction,
    private readonly audit: TenantAudit,
  ) {}

  /**
   * Deletes a user at their own wish.
   *
   * @throws PasswordRefused, LastOwner, AppError 429 too_many_attempts, 503
   */
  async delete(person: TenantPrincipal, password: string): Promise<void> {
    const { id } = person;
    await this.proof.demand(id, password);
    // The log keeps that it happened and to which id, not the name.
    this.runner.identify({ kind: 'user', id });
    await this.transaction.run(async () => {
      // All owners in one statement and one order, as whoever else changes people: of two who leave at once the second
      // sees that the first is gone, and neither waits for the other.
      const reach = await this.grants.begin(person, ACCOUNT_MANAGE, { owners: true });
      const user = reach.user(id);
      if (!user) throw new CredentialInvalid();
      reach.keepAnOwner(user);
      const messages = await this.removal.remove(user);
      await this.audit.record({ event: 'user.deleted', target: { kind: 'user', id }, details: { messages } });
    });
  }
}
