export { InvalidCustomField } from './field.errors.js';
export {
  ApiFieldFilters,
  type FieldFilter,
  FieldFilterQuery,
  fieldFiltersOf,
  type FieldQuery,
  whereFields,
} from './field.filter.js';
export { CustomFieldsInput, CustomFieldsOutput } from './field.property.js';
export type { FieldSchema } from './field.schema.js';
export type { FieldValues, GivenFields } from './field.validator.js';
export { changedFieldValues, newFieldValues, shownFieldValues } from './field.values.js';
export { SESSION_FIELDS, USER_FIELDS } from './fields.settings.js';
