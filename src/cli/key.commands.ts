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

  /** @param now signs at once: then whoever caches the key set refuses new tokens until they look again */
  async rotate(realm: Realm, now: boolean): Promise<void> {
    const { kid, activeFrom } = await this.rotation.rotate(realm, now ? 0 : JWKS_MAX_AGE_SECONDS);
    const from = activeFrom.toISOString();
    await this.terminal.show(() => [`The key ${kid} signs ${realm} tokens from ${from}.`], {
      kid,
      realm,
      active_from: from,
    });
  }
}
