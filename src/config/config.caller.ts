import { type AccessRequest, callerOf } from '../auth/index.js';
import type { Setting } from '../settings/index.js';
import type { SettingsOwner } from '../tenant/index.js';
import { SETTINGS_WRITE } from './config.permissions.js';

/** Who asks for whose settings. */
export interface ConfigCaller {
  of: SettingsOwner;
  /** Whether it is the tenant's own person or program, whose changes its audit log has. */
  own: boolean;
  /** Whether the setting is theirs to change. */
  owns(setting: Setting<unknown>): boolean;
  /** Whether a form may offer to change it: they hold the permission, too. */
  mayEdit(setting: Setting<unknown>): boolean;
}

/** Somebody of the tenant. What is for owners needs the role, which no program has. */
export function ownCaller(request: AccessRequest): ConfigCaller {
  const { role, permissions, tenantId } = callerOf(request);
  const owns = ({ changedBy }: Setting<unknown>) =>
    changedBy === 'admin' || (changedBy === 'owner' && role === 'owner');
  return {
    of: { scope: 'tenant', id: tenantId },
    own: true,
    owns,
    mayEdit: (setting) => owns(setting) && permissions.has(SETTINGS_WRITE),
  };
}

/** A platform admin, for whom every setting is. @param permission that changes take */
export function adminCaller({ admin }: AccessRequest, of: SettingsOwner, permission: string): ConfigCaller {
  const may = admin?.permissions.has(permission) ?? false;
  return {
    of,
    own: false,
    owns: () => true,
    mayEdit: (setting) => may && (of.scope !== 'plan' || setting.byPlan === true),
  };
}
