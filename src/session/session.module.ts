import { Global, Module } from '@nestjs/common';
import { SessionAuthenticator } from '../auth/index.js';
import { RootController } from './root.controller.js';
import { SessionController } from './session.controller.js';
import { SessionArchives } from './session.archives.js';
import { SessionCopies } from './session.copies.js';
import { SessionList } from './session.list.js';
import { SessionPersonalData } from './session.personal-data.js';
import { SessionPurge } from './session.purge.js';
import { SessionService } from './session.service.js';

@Global()
@Module({
  controllers: [RootController, SessionController],
  providers: [
    SessionService,
    SessionArchives,
    SessionCopies,
    SessionList,
    SessionPersonalData,
    SessionPurge,
    { provide: SessionAuthenticator, useExisting: SessionService },
  ],
  exports: [SessionService, SessionAuthenticator],
})
export class SessionModule {}
