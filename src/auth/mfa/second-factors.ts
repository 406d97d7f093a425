import { Inject, Injectable } from '@nestjs/common';
import { IsNull, LessThan, Not } from 'typeorm';
import { seal, unseal } from '../../common/index.js';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import { InjectTenantRepository, TenantContext, type TenantRepository } from '../../tenancy/index.js';
import { CredentialInvalid } from '../auth.errors.js';
import { User } from '../users/user.entity.js';
import { MfaEnabledAlready } from './mfa.errors.js';
import { RecoveryCode } from './recovery-code.entity.js';
import { newRecoveryCodes, recoveryCodeHash } from './recovery-codes.js';
import { newTotpSecret, verifyTotp } from './totp.js';

/** What shows that a person holds their second factor: a code of the app, or a recovery code. */
export interface FactorGiven {
  code?: string;
  recoveryCode?: string;
}

/** The secret of the second factor, its codes, and what has been used of them. */
@Injectable()
export class SecondFactors {
  private readonly key: Buffer;

  constructor(
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    @InjectTenantRepository(RecoveryCode) private readonly recovery: TenantRepository<RecoveryCode>,
    @Inject(DATABASE) database: PreparedDatabase,
    private readonly context: TenantContext,
  ) {
    this.key = database.keys.derive('mfa');
  }

  /** @throws CredentialInvalid when the user is gone */
  async ownerOf(userId: string): Promise<User> {
    const user = await this.users.findOneBy({ id: userId });
    if (!user) throw new CredentialInvalid();
    return user;
  }

  /**
   * Makes a secret that is in force once {@link enable} has seen a code of it; one that waited before is forgotten.
   *
   * @returns base32
   * @throws MfaEnabledAlready
   */
  async begin(user: User): Promise<string> {
    const secret = newTotpSecret();
    const waiting = { id: user.id, mfaEnabledAt: IsNull() };
    const mfaSecret = seal(this.key, secret, this.belongsTo(user.id));
    if ((await this.users.update(waiting, { mfaSecret, mfaLastStep: null })) !== 1) throw new MfaEnabledAlready();
    return secret;
  }

  /** @returns false when the code is wrong or no secret waits for one */
  async enable(user: User, code: string): Promise<boolean> {
    const step = this.stepOf(user, code);
    if (step === undefined || !user.mfaSecret) return false;
    // The very secret that the code was checked against, and only once.
    const waiting = { id: user.id, mfaEnabledAt: IsNull(), mfaSecret: user.mfaSecret };
    return (await this.users.update(waiting, { mfaEnabledAt: new Date(), mfaLastStep: step })) === 1;
  }

  /** Uses a code up: of many that bring the same one, at once or later, exactly one is told true. */
  async use(user: User, given: FactorGiven): Promise<boolean> {
    if (!user.mfaEnabledAt || !user.mfaSecret) return false;
    if (given.recoveryCode !== undefined) {
      const codeHash = recoveryCodeHash(user.id, given.recoveryCode);
      return codeHash !== undefined && (await this.recovery.delete({ userId: user.id, codeHash })) === 1;
    }
    const step = this.stepOf(user, given.code ?? '');
    if (step === undefined) return false;
    const unused = {
      id: user.id,
      mfaEnabledAt: Not(IsNull()),
      mfaSecret: user.mfaSecret,
      mfaLastStep: LessThan(step),
    };
    return (await this.users.update(unused, { mfaLastStep: step })) === 1;
  }

  /** Call it in a unit of work. @returns ten new codes; those before are void */
  async replaceRecoveryCodes(user: User): Promise<string[]> {
    // One at a time per user: of two at once, neither would see the other's codes, and twenty would be left.
    await this.users.update({ id: user.id }, { updatedAt: new Date() });
    await this.recovery.delete({ userId: user.id });
    const codes = newRecoveryCodes();
    const createdAt = new Date();
    await this.recovery.insert(
      codes.map((code) => ({ userId: user.id, codeHash: recoveryCodeHash(user.id, code), createdAt })),
    );
    return codes;
  }

  /** Call it in a unit of work. */
  async remove(user: User): Promise<void> {
    await this.users.update({ id: user.id }, { mfaSecret: null, mfaEnabledAt: null, mfaLastStep: null });
    await this.recovery.delete({ userId: user.id });
  }

  private stepOf(user: User, code: string): number | undefined {
    if (!user.mfaSecret) return undefined;
    return verifyTotp(unseal(this.key, user.mfaSecret, this.belongsTo(user.id)).toString('utf8'), code);
  }

  private belongsTo(userId: string): string {
    return `${this.context.currentOrThrow('A second factor').id}:${userId}`;
  }
}
