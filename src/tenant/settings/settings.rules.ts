import { type FieldError, ValidationFailed } from '../../common/index.js';
import { declaredSetting, isSecret, type Setting } from '../../settings/index.js';

export interface SettingsRules {
  /** Whether null is taken, for "back to what is inherited". */
  nullable?: boolean;
  /** Whether only what plans may set is taken. */
  forPlan?: boolean;
  /** Whether secrets are taken: as texts that are sealed before they are stored, or as a history kept them. */
  secrets?: 'texts' | 'sealed';
}

const UNSEALED =
  'is a secret, and is set by itself once the tenant is there: PUT /api/admin/tenants/{tenant}/config/{key}';

/**
 * @param settings flat, with dotted keys
 * @throws ValidationFailed naming every key that is not declared and every value that is not allowed
 */
export function checkSettings(settings: Record<string, unknown>, rules: SettingsRules = {}): void {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(settings)) {
    const detail = faultOf(declaredSetting(key), value, rules);
    const pointer = `/settings/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (detail !== undefined) errors.push({ pointer, detail });
  }
  if (errors.length > 0) throw new ValidationFailed(errors);
}

function faultOf(
  setting: Setting<unknown> | undefined,
  value: unknown,
  { nullable, forPlan, secrets }: SettingsRules,
): string | undefined {
  if (!setting) return 'is not a setting';
  if (forPlan && !setting.byPlan) return 'cannot be set by plans';
  if (nullable && value === null) return undefined;
  if (isSecret(setting) && secrets === undefined) return UNSEALED;
  const allowed = isSecret(setting) && secrets === 'texts' ? setting.acceptsText(value) : setting.accepts(value);
  if (allowed) return undefined;
  const reason = setting.explain?.(value);
  return `must be ${setting.allowed}${reason === undefined ? '' : `: ${reason}`}`;
}
