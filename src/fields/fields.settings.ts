import { declareSetting, Satisfies, type Setting } from '../settings/index.js';
import { faultOfSchema, type FieldSchema, SCHEMA_OF_SCHEMAS } from './field.schema.js';

function declareFields(rows: string): Setting<FieldSchema> {
  return declareSetting<FieldSchema>({
    key: `fields.${rows}`,
    description: `Which custom fields your ${rows} have, as JSON Schema.`,
    type: 'object',
    rules: [Satisfies('isFieldSchema', (value) => faultOfSchema(value) === undefined)],
    explain: faultOfSchema,
    schema: SCHEMA_OF_SCHEMAS,
    allowed: 'a JSON Schema of at most 30 fields, as docs/custom-fields.md says',
    default: { properties: {} },
    changedBy: 'admin',
  });
}

/** What a tenant knows of its people beyond what everybody does. */
export const USER_FIELDS = declareFields('users');
/** The same of its chat sessions. */
export const SESSION_FIELDS = declareFields('sessions');
