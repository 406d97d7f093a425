import { Inject, Injectable, type OnModuleInit } from '@nestjs/common';
import { seal, unseal } from '../../common/index.js';
import { DATABASE, type PreparedDatabase } from '../../database/index.js';
import { ArchiveRules } from '../../tenant/index.js';
import { EmailDirectory } from '../account/email.directory.js';
import { UserStates } from '../users/user-states.js';

/** How people and programs of a tenant travel in an archive: with what lets them in only where that is encrypted. */
@Injectable()
export class AuthArchives implements OnModuleInit {
  constructor(
    private readonly rules: ArchiveRules,
    private readonly directory: EmailDirectory,
    private readonly states: UserStates,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
  ) {}

  onModuleInit(): void {
    const key = (): Buffer => this.database.keys.derive('mfa');
    this.rules.register('users', {
      secrets: {
        password_hash: { kind: 'portable' },
        mfa_secret: {
          kind: 'sealed',
          open: (tenantId, id, sealed) => unseal(key(), sealed, `${tenantId}:${id}`),
          seal: (tenantId, id, plain) => seal(key(), plain, `${tenantId}:${id}`),
          with: ['mfa_enabled_at', 'mfa_last_step'],
        },
      },
    });
    for (const table of ['api_keys', 'external_identities', 'known_addresses', 'recovery_codes']) {
      this.rules.register(table, { credentials: true });
    }
    for (const table of ['devices', 'member_mails', 'sso_sign_ins', 'user_tokens']) {
      this.rules.register(table, { credentials: true, restored: 'end' });
    }
    this.rules.register('invitations', { secrets: { token_hash: { kind: 'credential' } } });
    this.rules.onImported(async () => {
      await this.states.changed('*');
      await this.directory.rebuild();
    });
  }
}
