import { randomBytes } from 'node:crypto';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import { In, MoreThan } from 'typeorm';
import { User } from '../auth/index.js';
import { InjectTenantRepository, type TenantRepository } from '../tenancy/index.js';
import { type CopyIds, TenantCopies } from '../tenant/index.js';
import { ChatSession } from './chat-session.entity.js';

const PAGE = 500;
const HASH_BYTES = 32;

/** Chat sessions in a copy of a tenant. No credential opens them. */
@Injectable()
export class SessionCopies implements OnModuleInit {
  constructor(
    @InjectTenantRepository(ChatSession) private readonly sessions: TenantRepository<ChatSession>,
    @InjectTenantRepository(User) private readonly users: TenantRepository<User>,
    private readonly copies: TenantCopies,
  ) {}

  onModuleInit(): void {
    this.copies.register<ChatSession>({
      entity: ChatSession,
      after: [User],
      read: async (from) => {
        const rows = await this.sessions.find({
          ...(from !== undefined && { where: { id: MoreThan(from) } }),
          select: { id: true, userId: true, customFields: true, createdAt: true, lastActiveAt: true },
          order: { id: 'ASC' },
          take: PAGE,
        });
        return { rows, next: rows.length === PAGE ? rows.at(-1)?.id : undefined };
      },
      write: (rows, ids) => this.write(rows, ids),
    });
  }

  private async write(rows: ChatSession[], ids: CopyIds): Promise<void> {
    if (rows.length === 0) return;
    const owners = new Set(rows.flatMap(({ userId }) => (userId === null ? [] : [ids.of(userId)])));
    const there = await this.users.find({ where: { id: In([...owners]) }, select: { id: true } });
    const known = new Set(there.map(({ id }) => id));
    const owned = rows.map(({ id, userId, customFields, createdAt, lastActiveAt }) => ({
      id: ids.of(id),
      userId: userId === null ? null : ids.of(userId),
      // A random hash is that of no credential.
      tokenHash: randomBytes(HASH_BYTES),
      customFields,
      createdAt,
      lastActiveAt,
    }));
    // A person who came after the people were copied has no copy, nor have their sessions: of nobody, they would be a visitor's.
    const kept = owned.filter(({ userId }) => userId === null || known.has(userId));
    if (kept.length > 0) await this.sessions.insert(kept);
  }
}
