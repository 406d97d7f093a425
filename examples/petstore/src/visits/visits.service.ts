import { Injectable } from '@nestjs/common';
import {
  InjectTenantRepository,
  newId,
  type Page,
  TenantAudit,
  TenantCursors,
  TenantRepository,
  TenantTransaction,
} from 'tenantry';
import { LessThan } from 'typeorm';
import { PetsService } from '../pets/index.js';
import type { AddVisitRequest } from './visit.dto.js';
import { Visit } from './visit.entity.js';

@Injectable()
export class VisitsService {
  constructor(
    @InjectTenantRepository(Visit) private readonly visits: TenantRepository<Visit>,
    private readonly pets: PetsService,
    private readonly transaction: TenantTransaction,
    private readonly cursors: TenantCursors,
    private readonly audit: TenantAudit,
  ) {}

  /** Of one pet, newest first. @throws NotFound, CursorInvalid */
  async list(petId: string, limit: number, cursor?: string): Promise<Page<Visit>> {
    const pet = await this.pets.find(petId);
    const list = `visits:${pet.id}`;
    const before = this.cursors.open(list, cursor);
    const where = { petId: pet.id, ...(before !== undefined && { id: LessThan(before) }) };
    const rows = await this.visits.find({ where, order: { id: 'DESC' }, take: limit + 1 });
    return this.cursors.page(list, rows, limit, ({ id }) => id);
  }

  /** @throws NotFound */
  add(petId: string, wanted: AddVisitRequest): Promise<Visit> {
    return this.transaction.run(async () => {
      const pet = await this.pets.find(petId);
      const [visit] = await this.visits.insert({
        id: newId(),
        petId: pet.id,
        visitedOn: wanted.visited_on,
        reason: wanted.reason,
        vaccine: wanted.vaccine ?? null,
        vaccinationDueOn: wanted.vaccination_due_on ?? null,
      });
      await this.audit.record({ event: 'visit.added', target: { kind: 'pet', id: pet.id }, after: wanted });
      return visit!;
    });
  }
}
