import { AppError, type FieldError } from '../common/index.js';

/** Names each field at fault and the rule, as JSON Schema calls it, that it breaks. */
export class InvalidCustomField extends AppError {
  constructor(errors: FieldError[]) {
    super({
      status: 422,
      code: 'invalid_custom_field',
      detail: 'A custom field does not have the value that is declared for it.',
      remedy: 'Correct the fields listed in `errors`; an admin of the tenant declares which there are.',
      errors,
    });
  }
}

export class InvalidFieldFilter extends AppError {
  constructor(errors: FieldError[]) {
    super({
      status: 400,
      code: 'invalid_custom_field_filter',
      detail: 'The list cannot be searched by this custom field in this way.',
      remedy: 'Search by declared fields: custom_fields[plan]=gold; numbers and dates also by [gte] and [lte].',
      errors,
    });
  }
}
