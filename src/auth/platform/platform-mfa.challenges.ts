import { Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { newId } from '../../common/index.js';
import { CredentialCodec, InjectPlatformDataSource, NO_TENANT } from '../../tenancy/index.js';
import { MfaRefused } from '../mfa/mfa-challenges.js';
import { type PlatformAdmin, PlatformAdminStore } from './platform-admin.store.js';
import { PlatformMfaRequired } from './platform.errors.js';

/** How long the second step of a sign-in may take, in seconds. */
const CHALLENGE_SECONDS = 5 * 60;
/** Uses of a challenge before the sign-in has to start over. */
const MAX_ATTEMPTS = 5;

interface Challenge {
  admin_id: string;
  token_version: number | null;
}

/** The short time between an admin's right password and the right second factor. */
@Injectable()
export class PlatformMfaChallenges {
  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    private readonly credentials: CredentialCodec,
    private readonly admins: PlatformAdminStore,
  ) {}

  /** @returns the error that carries the token for the second step */
  async open(admin: PlatformAdmin): Promise<PlatformMfaRequired> {
    const id = newId();
    const token = this.credentials.mint('platform-mfa', NO_TENANT, id);
    await this.platform.transaction(async (manager) => {
      await manager.query('DELETE FROM platform_mfa_challenges WHERE admin_id = $1 AND expires_at <= now()', [
        admin.id,
      ]);
      await manager.query(
        `INSERT INTO platform_mfa_challenges (id, admin_id, token_hash, token_version, expires_at)
         VALUES ($1, $2, $3, $4, now() + $5 * interval '1 second')`,
        [id, admin.id, this.credentials.hash(token), admin.token_version, CHALLENGE_SECONDS],
      );
    });
    return new PlatformMfaRequired(token, admin.mfa_enabled_at === null, CHALLENGE_SECONDS);
  }

  /**
   * The admin behind a challenge. Every call counts, before any code is looked at, so that guesses sent in parallel are
   * all counted.
   *
   * @throws MfaRefused
   */
  async attempt(token: string): Promise<PlatformAdmin> {
    const [challenges] = await this.platform.query<[Challenge[], number]>(
      `UPDATE platform_mfa_challenges SET attempts = attempts + 1
        WHERE id = $1 AND token_hash = $2 AND expires_at > now() AND attempts < $3 RETURNING admin_id, token_version`,
      [this.idOf(token), this.credentials.hash(token), MAX_ATTEMPTS],
    );
    const [challenge] = challenges;
    const admin = challenge && (await this.admins.byId(challenge.admin_id));
    // One issued while a sign-out everywhere happened is not among those it deleted: the version tells.
    if (admin?.status !== 'active' || admin.token_version !== challenge?.token_version) throw new MfaRefused();
    return admin;
  }

  /** Uses a challenge up. @throws MfaRefused when somebody else did at the same time */
  async complete(token: string): Promise<void> {
    const [, gone] = await this.platform.query<[unknown[], number]>(
      'DELETE FROM platform_mfa_challenges WHERE id = $1 AND token_hash = $2',
      [this.idOf(token), this.credentials.hash(token)],
    );
    if (gone !== 1) throw new MfaRefused();
  }

  private idOf(token: string): string {
    const opened = this.credentials.open('platform-mfa', token);
    if (!opened) throw new MfaRefused();
    return opened.subjectId;
  }
}
