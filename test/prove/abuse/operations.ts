/** As far as a JSON schema is used in the OpenAPI document. */
export interface Schema {
  $ref?: string;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  format?: string;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  items?: Schema;
  properties?: Record<string, Schema>;
  required?: string[];
  additionalProperties?: boolean | Schema;
  oneOf?: Schema[];
  anyOf?: Schema[];
  allOf?: Schema[];
  example?: unknown;
}

export type Contents = Record<string, { schema?: Schema }>;

export interface Parameter {
  name: string;
  in: 'path' | 'query' | 'header' | 'cookie';
  required?: boolean;
  schema?: Schema;
}

interface Described {
  operationId: string;
  parameters?: Parameter[];
  requestBody?: { content?: Contents };
  responses: Record<string, { content?: Contents }>;
}

export interface ApiDocument {
  paths: Record<string, Record<string, Described>>;
  components: { schemas: Record<string, Schema> };
}

export interface Operation {
  /** Method and path, as people write it. */
  title: string;
  method: string;
  /** With `{name}` where a parameter stands. */
  path: string;
  parameters: Parameter[];
  /** By content type. */
  bodies: Contents;
  /** By status, or `default` for every failure. */
  responses: Record<string, { content?: Contents }>;
}

/** Every operation of the document; those that make something before those that take it away. */
export function operationsOf({ paths }: ApiDocument): Operation[] {
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => ({
      title: `${method.toUpperCase()} ${path}`,
      method: method.toUpperCase(),
      path,
      parameters: described.parameters ?? [],
      bodies: described.requestBody?.content ?? {},
      responses: described.responses,
    })),
  );
  const rank = ({ method }: Operation): number => ['POST', 'PUT', 'PATCH', 'GET', 'DELETE'].indexOf(method);
  return operations.sort((one, other) => rank(one) - rank(other));
}

/** The schema behind a reference. */
export function resolved(document: ApiDocument, schema: Schema): Schema {
  const name = schema.$ref?.split('/').pop();
  return name === undefined ? schema : (document.components.schemas[name] ?? {});
}

/** Whether a request goes to the operation: what was put into its path may lead it elsewhere. */
export function leadsTo(operation: Operation, target: string): boolean {
  const pattern = operation.path
    .split('/')
    .map((segment) => (segment.startsWith('{') ? '[^/]+' : segment.replaceAll('.', '\\.')))
    .join('/');
  const path = target.replace(/\?.*$/s, '');
  return new RegExp(`^${pattern}$`).test(path) && !path.split('/').some((segment) => /^(\.|%2e){1,2}$/i.test(segment));
}
