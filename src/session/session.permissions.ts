import { declarePermission } from '../auth/index.js';

export const SESSION_READ = declarePermission({
  name: 'session:read',
  about: 'Read the own chat sessions and their messages',
  roles: ['admin', 'member', 'viewer'],
});

export const SESSION_WRITE = declarePermission({
  name: 'session:write',
  about: 'Open chat sessions, write in the own ones, delete them',
  roles: ['admin', 'member'],
});

export const SESSION_READ_ANY = declarePermission({
  name: 'session:read-any',
  about: "Read other people's chat sessions; each time is in the audit log",
  roles: ['admin'],
  sensitive: true,
});
