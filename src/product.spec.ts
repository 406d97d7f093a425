import { describe, expect, it } from 'vitest';
import { MIGRATIONS, OLDEST_SUPPORTED } from '../migrations/index.js';
import type { MigrationClass } from './database/index.js';
import { migrationsOf } from './product.js';

const named = (name: string): MigrationClass => {
  const migration = class {
    name = name;
    up = () => Promise.resolve();
    down = () => Promise.resolve();
  };
  Object.defineProperty(migration, 'name', { value: name });
  return migration;
};
const shared = (...args: Parameters<typeof migrationsOf>) =>
  migrationsOf(...args).find(({ schema }) => schema === 'shared');

describe('the migrations of a product', () => {
  const pets = named('CreatePets1796083200000');
  const visits = named('CreateVisits1796083200001');

  it('are those of Tenantry where it has none', () => {
    expect(migrationsOf({})).toBe(MIGRATIONS);
    expect(shared({})?.oldestSupported).toBe(OLDEST_SUPPORTED);
  });

  it('come after those of Tenantry, and are all needed unless it says otherwise', () => {
    const own = shared({})?.migrations ?? [];
    expect(shared({ migrations: [pets, visits] })).toMatchObject({
      migrations: [...own, pets, visits],
      oldestSupported: visits.name,
    });
    expect(shared({ migrations: [pets, visits], oldestSupported: pets.name })?.oldestSupported).toBe(pets.name);
  });

  it.each([
    ['has no time in its name', [named('CreatePets')], undefined],
    ['is older than those of Tenantry', [named('CreatePets1500000000000')], undefined],
    ['is older than the one before it', [visits, pets], undefined],
    ['comes twice', [pets, pets], undefined],
    ['is named as the oldest and is none of them', [pets], 'CreateCats1796083200000'],
  ])('are refused when one %s', (_, migrations, oldestSupported) => {
    expect(() => migrationsOf({ migrations, ...(oldestSupported && { oldestSupported }) })).toThrow(
      /CreatePets|CreateCats/,
    );
  });
});
