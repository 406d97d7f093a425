import type { Field } from '../module.fields.js';
import { withArticle } from '../module.names.js';
import { each, type ModuleShape } from '../module.shape.js';

export function dto({ names, fields }: ModuleShape): string {
  const { Singular, value } = names;
  const unique = (of: (field: Field) => string[]) => [...new Set(fields.flatMap(of))];
  const validators = new Set(['IsOptional', 'IsString', ...unique(({ type }) => type.validators)]);
  if (fields.some(({ optional }) => !optional)) validators.add('ValidateIf');
  const nullable = ({ type, optional }: Field) => {
    if (!optional) return type.api;
    return `${type.api.startsWith('type:') ? '' : `type: 'string', `}${type.api}, nullable: true`;
  };
  const inNew = (field: Field) => `  ${
    field.optional
      ? `@ApiPropertyOptional({ ${nullable(field)} })\n  @IsOptional()`
      : `@ApiProperty({ ${field.type.api} })`
  }
  ${field.type.rules}
  ${field.name}${field.optional ? '?' : ''}: ${field.type.json}${field.optional ? ' | null' : ''};
`;
  const inChange = (field: Field) => `  @ApiPropertyOptional({ ${nullable(field)} })
  ${field.optional ? '@IsOptional()' : '@MayBeAbsent()'}
  ${field.type.rules}
  ${field.name}?: ${field.type.json}${field.optional ? ' | null' : ''};
`;
  const shown = (field: Field) => `  @ApiProperty({ ${nullable(field)} })
  ${field.name}: ${field.type.json}${field.optional ? ' | null' : ''};
`;
  const isTime = ({ type }: Field) => type.property === 'Date';
  const toNew = (field: Field) => {
    const given = `body.${field.name}`;
    if (isTime(field))
      return `${field.property}: ${field.optional ? `timeOf(${given}) ?? null` : `new Date(${given})`},`;
    return `${field.property}: ${given}${field.optional ? ' ?? null' : ''},`;
  };
  const toChange = (field: Field) => {
    const given = `body.${field.name}`;
    if (!isTime(field)) return `${field.property}: ${given},`;
    return `${field.property}: ${field.optional ? `timeOf(${given})` : `${given} === undefined ? undefined : new Date(${given})`},`;
  };
  const toView = (field: Field) => {
    const stored = `${value}.${field.property}`;
    if (!isTime(field)) return `${field.name}: ${stored},`;
    return `${field.name}: ${stored}${field.optional ? '?.toISOString() ?? null' : '.toISOString()'},`;
  };
  const times = fields.some((field) => isTime(field) && field.optional)
    ? `
function timeOf(text: string | null | undefined): Date | null | undefined {
  return text == null ? text : new Date(text);
}
`
    : '';
  const absent = validators.has('ValidateIf')
    ? `
/** May be left out; null is a value like any other, and refused by what follows. */
const MayBeAbsent = () => ValidateIf((_body, value) => value !== undefined);
`
    : '';
  return `import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ${[...validators].sort((a, b) => a.toLowerCase().localeCompare(b.toLowerCase())).join(', ')} } from 'class-validator';
import { etagOf, type Page } from '../common/index.js';
import type { ${Singular} } from './${names.singular}.entity.js';

${unique(({ type }) => type.constants).join('\n')}
${absent}
export class Create${Singular}Request {
${each(fields, inNew)}}

/** What is left out stays as it is. */
export class Change${Singular}Request {
${each(fields, inChange)}}

export class ${Singular}ListQuery {
  @ApiPropertyOptional({ schema: { type: 'integer', minimum: 1, maximum: 100, default: 50 } } as never)
  @IsOptional()
  @IsString({ message: 'must be an integer' })
  limit?: string;

  @ApiPropertyOptional({ description: 'next_cursor of a page.' })
  @IsOptional()
  @IsString({ message: 'must be a text' })
  cursor?: string;
}

export class ${Singular}View {
  @ApiProperty({ format: 'uuid' })
  id: string;

${each(fields, shown)}
  @ApiProperty({ example: '"r1"', description: 'For If-Match.' })
  etag: string;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ format: 'date-time' })
  updated_at: string;

  static of(${value}: ${Singular}): ${Singular}View {
    return {
      id: ${value}.id,
${each(fields, toView)}
      etag: etagOf(${value}.revision),
      created_at: ${value}.createdAt.toISOString(),
      updated_at: ${value}.updatedAt.toISOString(),
    };
  }
}

export class ${Singular}Page {
  @ApiProperty({ type: [${Singular}View] })
  items: ${Singular}View[];

  @ApiProperty({ type: String, nullable: true, description: 'Pass as \`cursor\` for the next page; null at the end.' })
  next_cursor: string | null;

  static of({ items, next_cursor }: Page<${Singular}>): ${Singular}Page {
    return { items: items.map((${value}) => ${Singular}View.of(${value})), next_cursor };
  }
}

/** What people give of ${withArticle(names.word)}. */
export type ${Singular}Values = Pick<${Singular}, ${fields.map(({ property }) => `'${property}'`).join(' | ')}>;

export function new${Singular}Of(body: Create${Singular}Request): ${Singular}Values {
  return {
${each(fields, toNew)}
  };
}

export function changesOf(body: Change${Singular}Request): Partial<${Singular}Values> {
  return {
${each(fields, toChange)}
  };
}
${times}`;
}
