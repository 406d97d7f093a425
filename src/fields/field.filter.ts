import { applyDecorators, createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiQuery } from '@nestjs/swagger';
import type { Request } from 'express';
import type { ObjectLiteral, SelectQueryBuilder } from 'typeorm';
import { InvalidFieldFilter } from './field.errors.js';
import { type Field, type FieldSchema, isStorable, MAX_TEXT } from './field.schema.js';
import { fault, isDate } from './field.validator.js';

/** What is asked of one field. */
export interface FieldFilter {
  name: string;
  operator: Operator;
  field: Field;
  value: string | number | boolean;
}

type Operator = 'eq' | 'gte' | 'lte';

/** Conditions of one request. */
const MAX_FILTERS = 10;
const PARAMETER = /^custom_fields\[([^[\]]{1,100})\](?:\[([a-z]{1,10})\])?$/;

/** What the query string of a request asks of custom fields, as it came. */
export const FieldFilterQuery = createParamDecorator((_: unknown, context: ExecutionContext): FieldQuery => {
  const { query } = context.switchToHttp().getRequest<Request>();
  return Object.entries(query).filter(([name]) => name.startsWith('custom_fields')) as FieldQuery;
});

export type FieldQuery = [parameter: string, value: string | string[]][];

/** Documents that the list can be searched by custom fields. */
export const ApiFieldFilters = () =>
  applyDecorators(
    ApiQuery({
      name: 'custom_fields',
      required: false,
      style: 'deepObject',
      explode: true,
      schema: { type: 'object', additionalProperties: { type: 'string' }, default: {} },
      description:
        'By custom fields, at most 10 conditions, all of which must hold: `custom_fields[plan]=gold`; a list has the value. ' +
        'Numbers and dates also from and to: `custom_fields[seats][gte]=5`, `custom_fields[seats][lte]=9`.',
    }),
  );

/** @throws InvalidFieldFilter for fields that are not declared, and for what cannot be asked of one */
export function fieldFiltersOf(schema: FieldSchema, query: FieldQuery): FieldFilter[] {
  const asked = query.flatMap(([parameter, values]) => [values].flat().map((value) => [parameter, value] as const));
  if (asked.length > MAX_FILTERS) {
    throw new InvalidFieldFilter([{ pointer: '/custom_fields', detail: `must be at most ${MAX_FILTERS} conditions` }]);
  }
  return asked.map(([parameter, value]) => filterOf(schema, parameter, value));
}

function filterOf(schema: FieldSchema, parameter: string, text: string): FieldFilter {
  const [, name = '', operator = 'eq'] = PARAMETER.exec(parameter) ?? [];
  const field = Object.hasOwn(schema.properties, name) ? schema.properties[name] : undefined;
  if (!field) throw refused(name, 'is not a field that is declared');
  if (operator !== 'eq' && operator !== 'gte' && operator !== 'lte')
    throw refused(name, 'is compared by [gte] or [lte]');
  const ordered = field.type === 'integer' || field.type === 'number' || field.format === 'date';
  if (operator !== 'eq' && !ordered) throw refused(name, 'has no order: only numbers and dates have');
  return { name, operator, field, value: valueOf(name, field, text) };
}

function valueOf(name: string, field: Field, text: string): FieldFilter['value'] {
  switch (field.type) {
    case 'integer':
    case 'number': {
      const value = /^-?\d{1,20}(\.\d{1,20})?$/.test(text) ? Number(text) : NaN;
      if (!Number.isFinite(value)) throw refused(name, 'must be a number');
      return value;
    }
    case 'boolean':
      if (text !== 'true' && text !== 'false') throw refused(name, 'must be true or false');
      return text === 'true';
    default:
      if (text.length > MAX_TEXT || !isStorable(text)) throw refused(name, `must be a text of ${MAX_TEXT} characters`);
      if (field.format === 'date' && !isDate(text)) throw refused(name, 'must be a date such as "2031-02-28"');
      return text;
  }
}

function refused(name: string, detail: string): InvalidFieldFilter {
  return new InvalidFieldFilter([fault(name, 'filter', detail)]);
}

/**
 * Narrows a query to the rows whose fields are as asked. Values that are of another type than the field now is are as none.
 *
 * @param column path of the property: `user.customFields`
 */
export function whereFields<E extends ObjectLiteral>(
  query: SelectQueryBuilder<E>,
  column: string,
  filters: FieldFilter[],
): void {
  filters.forEach(({ name, operator, field, value }, index) => {
    const [at, it] = [`field${index}`, `value${index}`];
    if (operator === 'eq') {
      const held = JSON.stringify({ [name]: field.type === 'array' ? [value] : value });
      query.andWhere(`${column} @> CAST(:${it} AS jsonb)`, { [it]: held });
      return;
    }
    const sign = operator === 'gte' ? '>=' : '<=';
    const stored = `CAST(:${at} AS text)`;
    const numeric = typeof value === 'number';
    const compared = numeric
      ? `CAST(${column} ->> ${stored} AS numeric) ${sign} CAST(:${it} AS numeric)`
      : `(${column} ->> ${stored}) COLLATE "C" ${sign} CAST(:${it} AS text)`;
    // CASE, because AND may cast before it looks at the type.
    query.andWhere(
      `CASE WHEN jsonb_typeof(${column} -> ${stored}) = '${numeric ? 'number' : 'string'}' THEN ${compared} ELSE false END`,
      { [at]: name, [it]: String(value) },
    );
  });
}
