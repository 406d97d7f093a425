import { Inject, Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { AuditService, PlatformAudit } from '../../audit/index.js';
import { AppError, seal, unseal } from '../../common/index.js';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import { InjectPlatformDataSource } from '../../tenancy/index.js';
import { MfaRefused } from '../mfa/mfa-challenges.js';
import { newRecoveryCodes, recoveryCodeHash } from '../mfa/recovery-codes.js';
import { newTotpSecret, totpUri, verifyTotp } from '../mfa/totp.js';
import { SharedSignInThrottle } from '../sign-in/shared-sign-in.throttle.js';
import type { PlatformAdmin } from './platform-admin.store.js';

/** What authenticator apps show above the code. */
const ISSUER = 'Tenantry platform';

/** A code of the app, or one of the recovery codes. */
export interface SecondFactor {
  code?: string;
  recoveryCode?: string;
}

export interface Enrolment {
  /** Base32. */
  secret: string;
  uri: string;
}

/** The second factor of platform admins: TOTP with recovery codes. */
@Injectable()
export class PlatformMfaService {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly throttle: SharedSignInThrottle,
    private readonly audit: PlatformAudit,
    private readonly security: AuditService,
  ) {}

  /**
   * Checks a second factor and uses it up.
   *
   * @throws MfaRefused, TooManyAttempts
   */
  async check(admin: PlatformAdmin, given: SecondFactor, address: string | undefined): Promise<void> {
    // A right password starts the throttle of passwords afresh; guesses at codes are counted apart.
    const attempt = await this.throttle.check('platform', `mfa:${admin.id}`, address, { trusted: false });
    let right: boolean;
    try {
      right =
        given.recoveryCode === undefined
          ? await this.useCode(admin, given.code ?? '')
          : await this.useRecoveryCode(admin, given.recoveryCode);
    } catch (error) {
      attempt.abandoned();
      throw error;
    }
    if (!right) {
      const target = { kind: 'platform-admin', id: admin.id };
      this.security.record({ event: 'platform-admin.mfa-refused', address, target, details: {} });
      throw new MfaRefused();
    }
    attempt.succeeded();
  }

  /** Makes a secret that is in force once a code of it was shown. Replacing one takes the present factor. */
  async enrol(admin: PlatformAdmin, given: SecondFactor, address: string | undefined): Promise<Enrolment> {
    if (admin.mfa_enabled_at !== null) await this.check(admin, given, address);
    const secret = newTotpSecret();
    await this.platform.query('UPDATE platform_admins SET mfa_pending = $2 WHERE id = $1', [
      admin.id,
      seal(this.key(), secret, admin.id),
    ]);
    return { secret, uri: totpUri(secret, ISSUER, admin.email) };
  }

  /**
   * Puts the secret of the last enrolment in force.
   *
   * @returns recovery codes, shown this once
   * @throws MfaRefused
   */
  async confirm(admin: PlatformAdmin, code: string): Promise<string[]> {
    if (!admin.mfa_pending) throw notEnrolled();
    const step = verifyTotp(unseal(this.key(), admin.mfa_pending, admin.id).toString('utf8'), code);
    if (step === undefined) throw new MfaRefused();
    const codes = newRecoveryCodes();
    await this.platform.transaction(async (manager) => {
      const [, changed] = await manager.query<[unknown[], number]>(
        `UPDATE platform_admins SET mfa_secret = mfa_pending, mfa_pending = NULL, mfa_enabled_at = now(),
                mfa_last_step = $3, recovery_hashes = $4, updated_at = now()
          WHERE id = $1 AND mfa_pending = $2`,
        [admin.id, admin.mfa_pending, step, hashesOf(admin.id, codes)],
      );
      if (changed !== 1) throw new MfaRefused();
      await this.audit.record(manager, {
        event: admin.mfa_enabled_at === null ? 'platform-admin.mfa-enabled' : 'platform-admin.mfa-replaced',
        target: { kind: 'platform-admin', id: admin.id },
      });
    });
    return codes;
  }

  /** Makes those given out so far void. @throws MfaRefused */
  async renewRecoveryCodes(admin: PlatformAdmin, given: SecondFactor, address: string | undefined): Promise<string[]> {
    if (admin.mfa_enabled_at === null) throw notEnrolled();
    await this.check(admin, given, address);
    const codes = newRecoveryCodes();
    await this.platform.transaction(async (manager) => {
      await manager.query('UPDATE platform_admins SET recovery_hashes = $2, updated_at = now() WHERE id = $1', [
        admin.id,
        hashesOf(admin.id, codes),
      ]);
      await this.audit.record(manager, {
        event: 'platform-admin.recovery-codes-renewed',
        target: { kind: 'platform-admin', id: admin.id },
      });
    });
    return codes;
  }

  private async useCode(admin: PlatformAdmin, code: string): Promise<boolean> {
    if (!admin.mfa_secret || admin.mfa_enabled_at === null) return false;
    const step = verifyTotp(unseal(this.key(), admin.mfa_secret, admin.id).toString('utf8'), code);
    if (step === undefined) return false;
    const [, used] = await this.platform.query<[unknown[], number]>(
      `UPDATE platform_admins SET mfa_last_step = $2
        WHERE id = $1 AND mfa_secret = $3 AND coalesce(mfa_last_step, 0) < $2`,
      [admin.id, step, admin.mfa_secret],
    );
    return used === 1;
  }

  private async useRecoveryCode(admin: PlatformAdmin, code: string): Promise<boolean> {
    const hash = recoveryCodeHash(admin.id, code);
    if (!hash || admin.mfa_enabled_at === null) return false;
    return this.platform.transaction(async (manager) => {
      const [, used] = await manager.query<[unknown[], number]>(
        `UPDATE platform_admins SET recovery_hashes = array_remove(recovery_hashes, $2)
          WHERE id = $1 AND $2 = ANY (recovery_hashes)`,
        [admin.id, hash],
      );
      if (used !== 1) return false;
      await this.audit.record(manager, {
        event: 'platform-admin.recovery-code-used',
        target: { kind: 'platform-admin', id: admin.id },
      });
      return true;
    });
  }

  private key(): Buffer {
    return this.database.keys.derive('platform-totp');
  }
}

function hashesOf(adminId: string, codes: string[]): Buffer[] {
  return codes.flatMap((code) => recoveryCodeHash(adminId, code) ?? []);
}

function notEnrolled(): AppError {
  return new AppError({
    status: 409,
    code: 'mfa_not_enrolled',
    detail: 'There is no second factor to speak of.',
    remedy: 'Start with POST /api/admin/auth/mfa/enrol.',
  });
}
