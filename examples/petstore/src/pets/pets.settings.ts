import { Max, Min } from 'class-validator';
import { declareLimit, declarePermission, declareSetting } from 'tenantry';

export const PET_READ = declarePermission({
  name: 'pet:read',
  about: 'Read of the pets, their photos and visits',
  roles: ['admin', 'member', 'viewer'],
});

export const PET_WRITE = declarePermission({
  name: 'pet:write',
  about: 'Add, change and delete pets, their photos and visits',
  roles: ['admin', 'member'],
});

/** Whether deleted pets are read like others, with the time of their end. */
export const INCLUDE_DELETED_PETS = declareSetting<boolean>({
  key: 'include_deleted_pets',
  description: 'Lists and look-ups of those who are signed in include deleted pets.',
  type: 'boolean',
  allowed: 'true or false',
  default: false,
  changedBy: 'admin',
});

export const SEARCHES_PER_MINUTE = declareSetting<number | undefined>({
  key: 'limits.adoption_searches_per_minute',
  description: 'Searches for pets that wait for adoption, in a minute, of all who search together.',
  type: 'integer',
  rules: [Min(1), Max(1_000_000)],
  allowed: 'an integer from 1 to 1,000,000',
  default: undefined,
  changedBy: 'platform',
  byPlan: true,
});
declareLimit({ name: 'adoption-searches', setting: SEARCHES_PER_MINUTE, windowSeconds: 60 });
