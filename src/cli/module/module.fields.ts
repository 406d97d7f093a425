import { camel, invalid, isReserved } from './module.names.js';

/** How a field of a type is stored, declared, checked, documented and tried out. */
export interface FieldType {
  /** Of PostgreSQL. */
  column: string;
  /** Of the entity. */
  property: string;
  /** In bodies and answers. */
  json: string;
  /** For `@ApiProperty`, in source text. */
  api: string;
  /** Decorators of the request, in source text. */
  rules: string;
  /** What the rules need: constants of the DTO file, and names of class-validator. */
  constants: string[];
  validators: string[];
  /** JSON values for the test, in source text. */
  good: string;
  other: string;
  bad: string;
}

export interface Field {
  /** In bodies, answers and SQL. */
  name: string;
  /** Of the entity. */
  property: string;
  type: FieldType;
  optional: boolean;
}

const MESSAGES = {
  line: "const LINE = /^(?=.*\\S)[^\\p{Cc}\\p{Cs}\\p{Zl}\\p{Zp}]{1,200}$/u;\nconst A_LINE = { message: 'must be a text of 1 to 200 characters in one line' };",
  text: "const TEXT = /^[^\\0\\p{Cs}]{1,10000}$/u;\nconst A_TEXT = { message: 'must be a text of 1 to 10,000 characters' };",
  integer: "const AN_INTEGER = { message: 'must be an integer from -2147483648 to 2147483647' };",
  number: "const A_NUMBER = { message: 'must be a number' };",
  boolean: "const TRUE_OR_FALSE = { message: 'must be true or false' };",
  date: "const DATE = /^(?!0000)\\d{4}-\\d{2}-\\d{2}$/;\nconst A_DATE = { message: 'must be a date, such as 2026-02-28' };",
  datetime:
    "const TIME = /^(?!0000)\\d{4}-\\d{2}-\\d{2}T\\d{2}:\\d{2}(:[0-5]\\d(\\.\\d{1,9})?)?(Z|[+-]\\d{2}:\\d{2})$/;\nconst A_TIME = { message: 'must be an ISO 8601 date and time with its offset' };",
  uuid: "const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;\nconst A_UUID = { message: 'must be a UUID' };",
};

export const FIELD_TYPES: Readonly<Record<string, FieldType>> = {
  string: {
    column: 'text',
    property: 'string',
    json: 'string',
    api: "example: 'Some words', maxLength: 200",
    rules: '@Matches(LINE, A_LINE)',
    constants: [MESSAGES.line],
    validators: ['Matches'],
    good: "'Some words'",
    other: "'Other words'",
    bad: "'two\\nlines'",
  },
  text: {
    column: 'text',
    property: 'string',
    json: 'string',
    api: "example: 'Some words', maxLength: 10_000",
    rules: '@Matches(TEXT, A_TEXT)',
    constants: [MESSAGES.text],
    validators: ['Matches'],
    good: "'Some words\\nin two lines'",
    other: "'Other words'",
    bad: "''",
  },
  integer: {
    column: 'integer',
    property: 'number',
    json: 'number',
    api: "type: 'integer', example: 7",
    rules: '@IsInt(AN_INTEGER)\n  @Min(-2_147_483_648, AN_INTEGER)\n  @Max(2_147_483_647, AN_INTEGER)',
    constants: [MESSAGES.integer],
    validators: ['IsInt', 'Max', 'Min'],
    good: '7',
    other: '8',
    bad: '2_147_483_648',
  },
  number: {
    column: 'double precision',
    property: 'number',
    json: 'number',
    api: "type: 'number', example: 1.5",
    rules: '@IsNumber({}, A_NUMBER)',
    constants: [MESSAGES.number],
    validators: ['IsNumber'],
    good: '1.5',
    other: '2.25',
    bad: "'1.5'",
  },
  boolean: {
    column: 'boolean',
    property: 'boolean',
    json: 'boolean',
    api: "type: 'boolean', example: true",
    rules: '@IsBoolean(TRUE_OR_FALSE)',
    constants: [MESSAGES.boolean],
    validators: ['IsBoolean'],
    good: 'true',
    other: 'false',
    bad: "'true'",
  },
  date: {
    column: 'date',
    property: 'string',
    json: 'string',
    api: "type: 'string', format: 'date', example: '2026-02-28'",
    rules: '@IsISO8601({ strict: true }, A_DATE)\n  @Matches(DATE, A_DATE)',
    constants: [MESSAGES.date],
    validators: ['IsISO8601', 'Matches'],
    good: "'2026-02-28'",
    other: "'2024-02-29'",
    bad: "'2026-02-30'",
  },
  datetime: {
    column: 'timestamptz',
    property: 'Date',
    json: 'string',
    api: "type: 'string', format: 'date-time', example: '2026-02-28T12:00:00.000Z'",
    rules: '@IsISO8601({ strict: true }, A_TIME)\n  @Matches(TIME, A_TIME)',
    constants: [MESSAGES.datetime],
    validators: ['IsISO8601', 'Matches'],
    good: "'2026-02-28T12:00:00.000Z'",
    other: "'2024-02-29T12:00:00.000Z'",
    bad: "'2026-02-28'",
  },
  uuid: {
    column: 'uuid',
    property: 'string',
    json: 'string',
    api: "type: 'string', format: 'uuid', example: '0198a6a0-0000-7000-8000-000000000001'",
    rules: '@Matches(UUID, A_UUID)',
    constants: [MESSAGES.uuid],
    validators: ['Matches'],
    good: "'0198a6a0-0000-7000-8000-000000000001'",
    other: "'0198a6a0-0000-7000-8000-000000000002'",
    bad: "'1'",
  },
};

/** What every entity has without being told. */
const GIVEN = ['id', 'tenant_id', 'revision', 'created_at', 'updated_at'];
const NAME = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;
const MOST_FIELDS = 50;
/** Of an identifier in PostgreSQL, in bytes. */
const MOST_LETTERS = 63;

/**
 * @param text `name:string,age:integer?`; a question mark makes a field optional
 * @throws CommandFailure
 */
export function fieldsOf(text: string): Field[] {
  const fields = text.split(',').map((part) => fieldOf(part.trim()));
  if (fields.length > MOST_FIELDS) throw invalid(`At most ${MOST_FIELDS} fields can be given.`);
  const seen = new Set<string>();
  for (const { name, property } of fields) {
    if (seen.has(property)) throw invalid(`The field "${name}" is given twice.`);
    seen.add(property);
  }
  return fields;
}

function fieldOf(part: string): Field {
  const [, name = '', typeName = '', mark] = /^([^:]*):([^:?]*)(\?)?$/.exec(part) ?? [];
  if (name === '')
    throw invalid(`The field "${part}" must be of the form name:type, or name:type? where it is optional.`);
  if (!NAME.test(name) || name.length > MOST_LETTERS) {
    throw invalid(`The field "${name}" must be small letters and digits, words joined by underscores: born_on.`);
  }
  if (GIVEN.includes(name)) throw invalid(`The field "${name}" is there without being given.`);
  if (isReserved(name, camel(name))) {
    throw invalid(`"${name}" is reserved in SQL or TypeScript; call the field otherwise.`);
  }
  const type = Object.hasOwn(FIELD_TYPES, typeName) ? FIELD_TYPES[typeName] : undefined;
  if (!type)
    throw invalid(`The type "${typeName}" of "${name}" must be one of ${Object.keys(FIELD_TYPES).join(', ')}.`);
  return { name, property: camel(name), type, optional: mark !== undefined };
}
