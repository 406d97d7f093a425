import { declarePermission } from '../access/permissions.js';

export const USER_READ = declarePermission({
  name: 'user:read',
  about: 'List the people of the tenant, with their addresses and roles',
  roles: ['admin'],
});

export const USER_WRITE = declarePermission({
  name: 'user:write',
  about: 'Add people, change and disable them, within what one holds oneself',
  roles: ['admin'],
  sensitive: true,
});

export const USER_DELETE = declarePermission({
  name: 'user:delete',
  about: 'Delete people, within what one holds oneself',
  roles: ['admin'],
  sensitive: true,
});

/**
 * What sets owners apart whatever else admins come to hold: nobody reaches a person who holds more than they do, so
 * only who holds this makes owners or touches them.
 */
export const OWNER_MANAGE = declarePermission({
  name: 'owner:manage',
  about: 'Make people owners, and change or remove owners',
  roles: [],
  peopleOnly: true,
  sensitive: true,
});
