import { type FieldError, ValidationFailed } from '../common/index.js';
import { declaredSetting, isSecret } from '../settings/index.js';

/**
 * @param settings flat, with dotted keys
 * @param nullable whether null is taken, for "back to what is inherited"
 * @param forPlan whether only what plans may set is taken
 * @throws ValidationFailed naming every key that is not declared and every value that is not allowed
 */
export function checkSettings(settings: Record<string, unknown>, nullable = false, forPlan = false): void {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(settings)) {
    const pointer = `/settings/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const setting = declaredSetting(key);
    if (!setting) errors.push({ pointer, detail: 'is not a setting' });
    else if (forPlan && !setting.byPlan) errors.push({ pointer, detail: 'cannot be set by plans' });
    else if (nullable && value === null) continue;
    else if (isSecret(setting)) errors.push({ pointer, detail: 'is a secret, and secrets cannot be stored yet' });
    else if (!setting.accepts(value)) {
      errors.push({ pointer, detail: `must be ${setting.allowed}` });
    }
  }
  if (errors.length > 0) throw new ValidationFailed(errors);
}
