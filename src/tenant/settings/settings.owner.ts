import type { LayeredSettings } from '../../settings/index.js';

/** Whose settings are meant. */
export type SettingsOwner = { scope: 'tenant'; id: string } | { scope: 'plan'; name: string } | { scope: 'platform' };

export type SettingMap = Record<string, unknown>;

/** What somebody has set, and what is in force with it. */
export interface SettingsState {
  /** Set by the owner itself. */
  own: SettingMap;
  /** Counts changes of the owner; what the ETag says. */
  revision: number;
  /** With what the owner inherits, for `effectiveSetting`. */
  layers: LayeredSettings;
}

/** @param changes null takes a setting away */
export function mergedSettings(before: SettingMap, changes: SettingMap): SettingMap {
  const kept = Object.entries({ ...before, ...changes }).filter(([, value]) => value !== null);
  return Object.fromEntries(kept);
}
