import { Injectable, type OnModuleInit } from '@nestjs/common';
import { ArchiveRules } from '../tenant/index.js';

/** Chat sessions travel with their messages; that a visitor may go on with one is of this service alone. */
@Injectable()
export class SessionArchives implements OnModuleInit {
  constructor(private readonly rules: ArchiveRules) {}

  onModuleInit(): void {
    this.rules.register('chat_sessions', { secrets: { token_hash: { kind: 'credential' } } });
  }
}
