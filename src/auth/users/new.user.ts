import { newId } from '../../common/index.js';
import { emailKey } from './email-key.js';
import type { User } from './user.entity.js';

type Given = Pick<User, 'email' | 'name' | 'role'> &
  Partial<Pick<User, 'passwordHash' | 'emailVerifiedAt' | 'customFields'>>;

/** The row of a person who has just joined, complete. */
export function newUser({ email, name, role, passwordHash = null, emailVerifiedAt = null, customFields = {} }: Given) {
  const address = email.trim();
  const now = new Date();
  return {
    id: newId(),
    email: address,
    emailKey: emailKey(address),
    name: name.trim(),
    role,
    status: 'active' as const,
    passwordHash,
    emailVerifiedAt,
    tokenVersion: 1,
    pendingEmail: null,
    pendingEmailBy: null,
    mfaSecret: null,
    mfaEnabledAt: null,
    mfaLastStep: null,
    customFields,
    lastSignInAt: null,
    createdAt: now,
    updatedAt: now,
  };
}
