import { type FindOptionsWhere, IsNull, LessThanOrEqual, MoreThan, Not } from 'typeorm';
import type { Invitation } from './invitation.entity.js';

export const INVITATION_STATUSES = ['open', 'accepted', 'revoked', 'expired'] as const;
export type InvitationStatus = (typeof INVITATION_STATUSES)[number];

export function statusOf({ acceptedAt, revokedAt, expiresAt }: Invitation): InvitationStatus {
  if (acceptedAt !== null) return 'accepted';
  if (revokedAt !== null) return 'revoked';
  return expiresAt > new Date() ? 'open' : 'expired';
}

/** The same as a criterion. */
export function whereStatus(status: InvitationStatus): FindOptionsWhere<Invitation> {
  const pending = { acceptedAt: IsNull(), revokedAt: IsNull() };
  switch (status) {
    case 'accepted':
      return { acceptedAt: Not(IsNull()) };
    case 'revoked':
      return { acceptedAt: IsNull(), revokedAt: Not(IsNull()) };
    case 'open':
      return { ...pending, expiresAt: MoreThan(new Date()) };
    case 'expired':
      return { ...pending, expiresAt: LessThanOrEqual(new Date()) };
  }
}
