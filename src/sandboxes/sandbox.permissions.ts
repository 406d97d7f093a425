import { declarePermission } from '../auth/index.js';

export const SANDBOX_READ = declarePermission({
  name: 'sandbox:read',
  about: "See the tenant's sandboxes",
  roles: [],
});

/** Who has it is owner of the copy, whatever they may not see in the tenant itself: so it is for owners. */
export const SANDBOX_WRITE = declarePermission({
  name: 'sandbox:write',
  about: 'Copy the tenant into sandboxes, enter, reset and remove them',
  roles: [],
  peopleOnly: true,
  sensitive: true,
});
