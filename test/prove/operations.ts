import type { Access } from '../../src/auth/index.js';

export interface Schema {
  type?: string | string[];
  format?: string;
  example?: unknown;
  default?: unknown;
  enum?: unknown[];
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  $ref?: string;
  allOf?: Schema[];
  minimum?: number;
}

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header' | 'cookie';
  required?: boolean;
  example?: unknown;
  schema?: Schema;
}

export interface OpenApi {
  paths: Record<string, Record<string, OpenApiOperation>>;
  components?: { schemas?: Record<string, Schema> };
}

interface OpenApiOperation {
  parameters?: Parameter[];
  requestBody?: { content: Record<string, { schema?: Schema }> };
}

/** A route as the access map and the OpenAPI document tell of it. */
export interface Operation {
  /** As in the access map: `GET /api/users/:id`. */
  title: string;
  method: string;
  /** With `{name}` for what varies. */
  path: string;
  access: Access;
  pathParams: string[];
  /** Of those that are one of a few words, the first of these. */
  words: Record<string, string>;
  query: Parameter[];
  headers: Parameter[];
  body?: { type: string; schema: Schema };
}

/** Every operation of the document. @throws Error when document and map disagree on which there are */
export function operationsOf(document: OpenApi, map: Record<string, Access>): Operation[] {
  const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([verb, operation]) => operationOf(document, map, path, verb, operation)),
  );
  const titles = new Set(operations.map(({ title }) => title));
  const missing = Object.keys(map).filter((title) => !titles.has(title));
  if (missing.length > 0) throw new Error(`The OpenAPI document leaves out ${missing.join(', ')}.`);
  return operations.sort((a, b) => (a.title < b.title ? -1 : 1));
}

function operationOf(
  document: OpenApi,
  map: Record<string, Access>,
  path: string,
  verb: string,
  { parameters = [], requestBody }: OpenApiOperation,
): Operation {
  const method = verb.toUpperCase();
  const title = `${method} ${path.replaceAll(/\{(\w+)\}/g, ':$1')}`;
  const access = map[title];
  if (!access) throw new Error(`The access map leaves out ${title}.`);
  const [content] = Object.entries(requestBody?.content ?? {});
  return {
    title,
    method,
    path,
    access,
    pathParams: [...path.matchAll(/\{(\w+)\}/g)].map((match) => match[1] as string),
    words: Object.fromEntries(
      parameters.flatMap((one) =>
        one.in === 'path' && one.schema?.enum ? [[one.name, String(one.schema.enum[0])]] : [],
      ),
    ),
    query: parameters.filter((one) => one.in === 'query'),
    headers: parameters.filter((one) => one.in === 'header' && one.name !== 'X-Tenant-ID'),
    ...(content && { body: { type: content[0], schema: resolved(document, content[1].schema ?? {}) } }),
  };
}

function resolved(document: OpenApi, schema: Schema, depth = 0): Schema {
  if (schema.$ref !== undefined) {
    const name = schema.$ref.slice(schema.$ref.lastIndexOf('/') + 1);
    return depth > 5 ? {} : resolved(document, document.components?.schemas?.[name] ?? {}, depth + 1);
  }
  const parts = (schema.allOf ?? []).map((part) => resolved(document, part, depth + 1));
  const whole: Schema = Object.assign({}, ...parts, schema);
  if (whole.properties) {
    whole.properties = Object.fromEntries(
      Object.entries(whole.properties).map(([name, part]) => [name, resolved(document, part, depth + 1)]),
    );
  }
  if (whole.items) whole.items = resolved(document, whole.items, depth + 1);
  return whole;
}

/** Whether a parameter or property holds what names a row, a person or a credential. */
export function namesSomething(name: string, schema: Schema = {}): boolean {
  return (
    schema.format === 'uuid' ||
    schema.format === 'email' ||
    /(^|_)(id|ids|token|code|cursor|q|tenant|template)$/.test(name)
  );
}

/** A body that the schema allows, of examples where there are some. */
export function bodyOf(schema: Schema, text: (name: string) => unknown, name = 'body'): unknown {
  if (schema.properties) {
    const required = new Set(schema.required);
    const entries = Object.entries(schema.properties).filter(
      ([key, part]) => required.has(key) || part.example !== undefined,
    );
    return Object.fromEntries(entries.map(([key, part]) => [key, bodyOf(part, text, key)]));
  }
  if (schema.enum) return schema.enum[0];
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  const given = text(name);
  if (type === 'string' && given !== undefined) return given;
  if (schema.example !== undefined) return schema.example;
  if (schema.default !== undefined) return schema.default;
  if (type === 'string') return name;
  if (type === 'integer' || type === 'number') return schema.minimum ?? 1;
  if (type === 'boolean') return false;
  if (type === 'array') return [];
  return {};
}
