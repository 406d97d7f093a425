import { Injectable } from '@nestjs/common';
import type { TenantOwned } from '../../tenancy/index.js';
import type { CopyIds } from './copy.ids.js';

type Entity = new () => TenantOwned;

/** Some rows of an entity that is copied. */
export interface CopyPage<Row> {
  rows: Row[];
  /** Where the next page begins; undefined on the last. */
  next: string | undefined;
}

/** How the rows of one entity get from a tenant into its copy, page by page. */
export interface EntityCopy<Row> {
  entity: Entity;
  /** Entities that its rows refer to. */
  after?: Entity[];
  /** Runs in the scope of the source. @param from what the page before said */
  read(from: string | undefined): Promise<CopyPage<Row>>;
  /** Runs in the scope of the copy, in one transaction with the note of how far it is. Writes no secret. */
  write(rows: Row[], ids: CopyIds): Promise<void>;
}

/**
 * What a copy of a tenant is made of. The slice that owns an entity says how its rows are copied, or why they are not;
 * a test fails on an entity of which nothing is said.
 */
@Injectable()
export class TenantCopies {
  private readonly copies = new Map<Entity, EntityCopy<unknown>>();
  private readonly left = new Map<Entity, string>();

  register<Row>(copy: EntityCopy<Row>): void {
    this.claim(copy.entity);
    this.copies.set(copy.entity, copy);
  }

  /** @param reasons of each entity that is not copied, why */
  leaveOut(reasons: [entity: Entity, reason: string][]): void {
    for (const [entity, reason] of reasons) {
      this.claim(entity);
      this.left.set(entity, reason);
    }
  }

  /** Each after those it refers to. */
  ordered(): EntityCopy<unknown>[] {
    const ordered = new Set<EntityCopy<unknown>>();
    const visit = (copy: EntityCopy<unknown>): void => {
      if (ordered.has(copy)) return;
      for (const entity of copy.after ?? []) {
        const earlier = this.copies.get(entity);
        if (earlier) visit(earlier);
      }
      ordered.add(copy);
    };
    for (const copy of this.copies.values()) visit(copy);
    return [...ordered];
  }

  leftOut(): ReadonlyMap<Entity, string> {
    return this.left;
  }

  private claim(entity: Entity): void {
    if (this.copies.has(entity) || this.left.has(entity)) throw new Error(`${entity.name} is copied in two ways.`);
  }
}
