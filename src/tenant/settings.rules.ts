import { type FieldError, ValidationFailed } from '../common/index.js';
import { declaredSetting } from '../settings/index.js';

/**
 * @param settings flat, with dotted keys
 * @param nullable whether null is taken, for "back to the default"
 * @throws ValidationFailed naming every key that is not declared and every value that is not allowed
 */
export function checkSettings(settings: Record<string, unknown>, nullable = false): void {
  const errors: FieldError[] = [];
  for (const [key, value] of Object.entries(settings)) {
    const pointer = `/settings/${key.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    const setting = declaredSetting(key);
    if (!setting) errors.push({ pointer, detail: 'is not a setting' });
    else if (!(nullable && value === null) && !setting.accepts(value)) {
      errors.push({ pointer, detail: `must be ${setting.allowed}` });
    }
  }
  if (errors.length > 0) throw new ValidationFailed(errors);
}
