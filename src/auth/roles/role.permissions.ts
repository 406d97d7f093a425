import { declarePermission } from '../access/permissions.js';

export const ROLE_READ = declarePermission({
  name: 'role:read',
  about: 'List roles, and the permissions there are',
  roles: ['admin'],
});

export const ROLE_WRITE = declarePermission({
  name: 'role:write',
  about: 'Compose roles, change and delete them, within what one holds oneself',
  roles: ['admin'],
  sensitive: true,
});
