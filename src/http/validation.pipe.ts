import { type ValidationError, ValidationPipe } from '@nestjs/common';
import { type FieldError, ValidationFailed } from '../common/index.js';

/** class-validator, answering 422 with a JSON pointer for each field at fault. Unknown fields are dropped. */
export function validationPipe(): ValidationPipe {
  return new ValidationPipe({
    whitelist: true,
    transform: true,
    validationError: { target: false, value: false },
    exceptionFactory: (errors) => new ValidationFailed(errors.flatMap((error) => fieldErrors(error, ''))),
  });
}

function fieldErrors(error: ValidationError, base: string): FieldError[] {
  const pointer = `${base}/${error.property.replaceAll('~', '~0').replaceAll('/', '~1')}`;
  // Several rules may say the same of a field.
  const details = new Set(Object.values(error.constraints ?? {}));
  const own = [...details].map((detail) => ({ pointer, detail }));
  return [...own, ...(error.children ?? []).flatMap((child) => fieldErrors(child, pointer))];
}
