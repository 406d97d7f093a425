import { describe, expect, it } from 'vitest';
import { exceeds, PLATFORM_ROLES, type PlatformRole } from './platform-permissions.js';

describe('a platform role', () => {
  const roles = Object.keys(PLATFORM_ROLES) as PlatformRole[];
  const givable = (by: PlatformRole) => roles.filter((role) => !exceeds(role, PLATFORM_ROLES[by]));

  it('reaches no further than the one who gives it', () => {
    expect(givable('admin')).toEqual(roles);
    expect(givable('support')).toEqual(['support', 'billing']);
    expect(givable('read-only')).toEqual(['billing', 'read-only']);
    expect(givable('billing')).toEqual(['billing']);
  });

  it('that may change platform admins is the admin alone', () => {
    expect(roles.filter((role) => PLATFORM_ROLES[role].includes('platform-admin:write'))).toEqual(['admin']);
  });
});
