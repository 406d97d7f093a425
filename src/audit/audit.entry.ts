import { newId, timeOf } from '../common/index.js';
import type { Actor, ActorKind, TenantContext } from '../tenancy/index.js';
import { bounded, contentOf, type Json, plain, storableText, withoutSecrets } from './audit.content.js';

/** What an event was done to. */
export interface AuditTarget {
  kind: string;
  id?: string;
}

/** What a caller says of an event; who, from where and in which request follow from the scope. */
export interface AuditInput {
  /** `noun.verb`, such as `user.created`. */
  event: string;
  target?: AuditTarget;
  before?: unknown;
  after?: unknown;
  details?: unknown;
}

/** Where an event comes from. */
export interface AuditOrigin {
  actor?: Actor;
  address?: string;
  requestId?: string;
}

/** An event as both logs store it. */
export interface AuditEntry {
  id: string;
  occurredAt: Date;
  event: string;
  actorKind: ActorKind;
  actorId: string | null;
  actorName: string | null;
  impersonatorId: string | null;
  impersonatorName: string | null;
  targetKind: string | null;
  targetId: string | null;
  before: Json | null;
  after: Json | null;
  details: Json | null;
  address: string | null;
  requestId: string | null;
  occurrences: number;
}

const MAX_TEXT = 300;

export function originOf(context: TenantContext): AuditOrigin {
  return { actor: context.actor(), address: context.address(), requestId: context.requestId() };
}

/** Secrets removed, sizes bounded. Ids of targets may come from a request and so are bounded too. */
export function entryOf(input: AuditInput, { actor, address, requestId }: AuditOrigin): AuditEntry {
  const id = newId();
  const { before, after } = contentOf(input.before, input.after);
  return {
    id,
    occurredAt: timeOf(id),
    event: storableText(input.event, MAX_TEXT),
    actorKind: actor?.kind ?? 'system',
    actorId: text(actor?.id),
    actorName: text(actor?.name),
    impersonatorId: text(actor?.impersonator?.id),
    impersonatorName: text(actor?.impersonator?.name),
    targetKind: text(input.target?.kind),
    targetId: text(input.target?.id),
    before,
    after,
    details: bounded(withoutSecrets(plain(input.details))),
    address: text(address),
    requestId: text(requestId),
    occurrences: 1,
  };
}

function text(value: string | undefined): string | null {
  return value === undefined ? null : storableText(value, MAX_TEXT);
}
