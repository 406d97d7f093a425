import { Inject, Injectable } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { JWKS_MAX_AGE_SECONDS, KeyRotation, type Realm } from '../auth/index.js';
import { DATABASE, type PreparedDatabase } from '../database/index.js';
import { InjectPlatformDataSource } from '../tenancy/index.js';
import { Terminal } from './terminal.js';

/** The keys that sign access tokens. */
@Injectable()
export class KeyCommands {
  private readonly rotation: KeyRotation;

  constructor(
    private readonly terminal: Terminal,
    @InjectPlatformDataSource() platform: DataSource,
    @Inject(DATABASE) { keys }: PreparedDatabase,
  ) {
    this.rotation = new KeyRotation(platform, keys);
  }

  /**
   * @param options.now signs at once: then whoever caches the key set refuses new tokens until they look again
   * @param options.revoke for when a key was lost: also retires the keys before it at once
   */
  async rotate(realm: Realm, { now, revoke }: { now?: boolean; revoke?: boolean }): Promise<void> {
    const { kid, activeFrom } = revoke
      ? await this.rotation.revoke(realm)
      : await this.rotation.rotate(realm, now ? 0 : JWKS_MAX_AGE_SECONDS);
    const from = activeFrom.toISOString();
    const lines = [`The key ${kid} signs ${realm} tokens from ${from}.`];
    if (revoke) lines.push('Access tokens given out before are void; clients refresh theirs.');
    await this.terminal.show(() => lines, { kid, realm, active_from: from, revoked: revoke === true });
  }
}
