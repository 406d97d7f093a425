import { declarePermission } from '../access/permissions.js';

export const INVITATION_READ = declarePermission({
  name: 'invitation:read',
  about: 'List invitations',
  roles: ['admin'],
});

export const INVITATION_WRITE = declarePermission({
  name: 'invitation:write',
  about: 'Invite people, within what one holds oneself; resend and revoke invitations',
  roles: ['admin'],
  sensitive: true,
});
