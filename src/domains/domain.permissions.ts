import { declarePermission } from '../auth/index.js';

export const DOMAIN_READ = declarePermission({
  name: 'domain:read',
  about: "See the tenant's own domains and how they are proven",
  roles: ['admin'],
});

export const DOMAIN_WRITE = declarePermission({
  name: 'domain:write',
  about: "Add, verify and remove the tenant's own domains, and choose the one that links lead to",
  roles: ['admin'],
  sensitive: true,
});
