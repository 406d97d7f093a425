export { ChatSession } from './chat-session.entity.js';
export { SessionModule } from './session.module.js';
export { SessionPurge } from './session.purge.js';
export { SESSION_IDLE_MS, SessionService } from './session.service.js';
export { WELCOME } from './session.settings.js';
export * from './session.permissions.js';
