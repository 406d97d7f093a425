import { Injectable } from '@nestjs/common';
import {
  InjectTenantRepository,
  newId,
  type Page,
  RevisionMismatch,
  TenantAudit,
  TenantCursors,
  TenantRepository,
  TenantSettings,
  TenantTransaction,
  ValidationFailed,
} from 'tenantry';
import { type FindOptionsWhere, IsNull, MoreThan } from 'typeorm';
import { Owner } from '../owners/index.js';
import { idOf, NotFound } from '../rest.js';
import { AdoptionSearch } from './adoption.search.js';
import type { AddPetRequest, ChangePetRequest } from './pet.dto.js';
import { Pet } from './pet.entity.js';
import { INCLUDE_DELETED_PETS } from './pets.settings.js';

const LIST = 'pets';

@Injectable()
export class PetsService {
  constructor(
    @InjectTenantRepository(Pet) private readonly pets: TenantRepository<Pet>,
    @InjectTenantRepository(Owner) private readonly owners: TenantRepository<Owner>,
    private readonly transaction: TenantTransaction,
    private readonly cursors: TenantCursors,
    private readonly settings: TenantSettings,
    private readonly audit: TenantAudit,
    private readonly adoptions: AdoptionSearch,
  ) {}

  /** In the order in which they came. @throws CursorInvalid */
  async list(limit: number, cursor?: string): Promise<Page<Pet>> {
    const after = this.cursors.open(LIST, cursor);
    const where = { ...this.visible(), ...(after !== undefined && { id: MoreThan(after) }) };
    const rows = await this.pets.find({ where, order: { id: 'ASC' }, take: limit + 1 });
    return this.cursors.page(LIST, rows, limit, ({ id }) => id);
  }

  /** @throws NotFound */
  async find(id: string): Promise<Pet> {
    const pet = await this.pets.findOneBy({ id: idOf(id, 'pet'), ...this.visible() });
    if (!pet) throw new NotFound('pet');
    return pet;
  }

  /** @throws ValidationFailed for an owner that is not there */
  async add(wanted: AddPetRequest): Promise<Pet> {
    const pet = await this.transaction.run(async () => {
      await this.checkOwner(wanted.owner_id);
      const { name, species, breed } = wanted;
      const [added] = await this.pets.insert({
        id: newId(),
        name,
        species,
        breed,
        bornOn: wanted.born_on ?? null,
        status: wanted.status ?? 'available',
        ownerId: wanted.owner_id ?? null,
        revision: 1,
        createdAt: new Date(),
        deletedAt: null,
      });
      await this.audit.record({ event: 'pet.added', target: targetOf(added!), after: contentOf(added!) });
      return added!;
    });
    await this.adoptions.changed();
    return pet;
  }

  /**
   * @param revision that the change is meant for, if that is to be checked
   * @throws NotFound, RevisionMismatch, ValidationFailed for an owner that is not there
   */
  change(id: string, wanted: ChangePetRequest, revision: number | undefined): Promise<Pet> {
    return this.edit(id, revision, 'pet.changed', async (pet) => {
      await this.checkOwner(wanted.owner_id);
      const { name, species, breed, status } = { ...pet, ...given(wanted) };
      const bornOn = wanted.born_on === undefined ? pet.bornOn : wanted.born_on;
      const ownerId = wanted.owner_id === undefined ? pet.ownerId : wanted.owner_id;
      return { name, species, breed, status, bornOn, ownerId };
    });
  }

  /** It stays, for those who want to see deleted ones. @throws NotFound, RevisionMismatch */
  async remove(id: string, revision: number | undefined): Promise<void> {
    await this.edit(id, revision, 'pet.deleted', () => Promise.resolve({ deletedAt: new Date() }));
  }

  private async edit(
    id: string,
    revision: number | undefined,
    event: string,
    changesOf: (pet: Pet) => Promise<Partial<Pet>>,
  ): Promise<Pet> {
    const changed = await this.transaction.run(async () => {
      const pet = await this.pets.findOneBy({ id: idOf(id, 'pet'), deletedAt: IsNull() });
      if (!pet) throw new NotFound('pet');
      if (revision !== undefined && revision !== pet.revision) throw new RevisionMismatch();
      const next = { ...(await changesOf(pet)), revision: pet.revision + 1 };
      // Of several at once, each on the same revision, one wins.
      if ((await this.pets.update({ id, revision: pet.revision }, next)) === 0) throw new RevisionMismatch();
      const after = Object.assign(new Pet(), pet, next);
      await this.audit.record({ event, target: targetOf(pet), before: contentOf(pet), after: contentOf(after) });
      return after;
    });
    await this.adoptions.changed();
    return changed;
  }

  private visible(): FindOptionsWhere<Pet> {
    return this.settings.get(INCLUDE_DELETED_PETS) ? {} : { deletedAt: IsNull() };
  }

  private async checkOwner(id: string | null | undefined): Promise<void> {
    if (id === undefined || id === null || (await this.owners.exists({ id }))) return;
    throw new ValidationFailed([{ pointer: '/owner_id', detail: 'names no owner' }]);
  }
}

/** What is null where null means nothing is not given. */
function given<T extends object>(wanted: T): Partial<T> {
  return Object.fromEntries(
    Object.entries(wanted).filter(([, value]) => value !== undefined && value !== null),
  ) as Partial<T>;
}

function contentOf({ name, species, breed, bornOn, status, ownerId, deletedAt }: Pet): object {
  return { name, species, breed, born_on: bornOn, status, owner_id: ownerId, deleted_at: deletedAt };
}

function targetOf({ id }: Pet): { kind: string; id: string } {
  return { kind: 'pet', id };
}
