import { declarePermission } from '../access/permissions.js';

export const API_KEY_READ = declarePermission({
  name: 'api-key:read',
  about: "See the tenant's API keys, without the keys themselves",
  roles: ['admin'],
  sensitive: true,
});

export const API_KEY_WRITE = declarePermission({
  name: 'api-key:write',
  about: 'Create, change, rotate and revoke API keys, within what one may do oneself',
  roles: ['admin'],
  sensitive: true,
});
