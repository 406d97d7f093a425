import { Injectable } from '@nestjs/common';
import {
  type CacheNamespace,
  InjectTenantRepository,
  type Page,
  TenantCache,
  TenantCursors,
  TenantRepository,
} from 'tenantry';
import { AdoptablePetView } from './pet.dto.js';
import { Pet, SPECIES, type Species } from './pet.entity.js';

/** How old the first page may be where another process made it, in ms. */
const KEPT_MS = 30_000;
const PAGE = 50;

export interface AdoptionFilter {
  species?: Species | undefined;
  /** A part of name or breed. */
  q?: string | undefined;
}

/** Finds pets that wait for somebody; open to all. */
@Injectable()
export class AdoptionSearch {
  private readonly kept: CacheNamespace;

  constructor(
    @InjectTenantRepository(Pet) private readonly pets: TenantRepository<Pet>,
    private readonly cursors: TenantCursors,
    cache: TenantCache,
  ) {
    this.kept = cache.of('adoptions');
  }

  /** Those who wait longest first. What most ask for, the first page without words, is kept. @throws CursorInvalid */
  search({ species, q }: AdoptionFilter, limit: number, cursor?: string): Promise<Page<AdoptablePetView>> {
    if (q !== undefined || cursor !== undefined || limit !== PAGE) return this.read({ species, q }, limit, cursor);
    return this.kept.wrap(keyOf(species), KEPT_MS, () => this.read({ species }, limit));
  }

  /** After the commit of a change of pets. */
  async changed(): Promise<void> {
    await Promise.all([undefined, ...SPECIES].map((species) => this.kept.delete(keyOf(species))));
  }

  private async read({ species, q }: AdoptionFilter, limit: number, cursor?: string): Promise<Page<AdoptablePetView>> {
    const list = JSON.stringify(['adoptions', species, q]);
    const after = this.cursors.open(list, cursor);
    const query = this.pets
      .createQueryBuilder('pet')
      .where(`pet.status = 'available' AND pet.deletedAt IS NULL`)
      .orderBy('pet.id', 'ASC')
      .limit(limit + 1);
    if (after !== undefined) query.andWhere('pet.id > :after', { after });
    if (species !== undefined) query.andWhere('pet.species = :species', { species });
    if (q !== undefined) {
      const part = `%${q.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`;
      query.andWhere('(pet.name ILIKE :part OR pet.breed ILIKE :part)', { part });
    }
    const { items, next_cursor } = this.cursors.page(list, await query.getMany(), limit, ({ id }) => id);
    return { items: items.map((pet) => AdoptablePetView.of(pet)), next_cursor };
  }
}

function keyOf(species: Species | undefined): string {
  return `first:${species ?? 'all'}`;
}
