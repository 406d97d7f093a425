import { declarePermission } from '../auth/index.js';

export const SETTINGS_READ = declarePermission({
  name: 'settings:read',
  about: 'See the settings of the tenant, who changed them, and when',
  roles: ['admin'],
});

export const SETTINGS_WRITE = declarePermission({
  name: 'settings:write',
  about: 'Change settings of the tenant, but those that are left to owners or to the platform',
  roles: ['admin'],
  sensitive: true,
});
