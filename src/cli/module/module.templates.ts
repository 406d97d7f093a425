import type { Field } from './module.fields.js';
import { type ModuleNames, withArticle } from './module.names.js';

/** What a module is made of. */
export interface ModuleShape {
  names: ModuleNames;
  fields: Field[];
  /** Of the migration: 13 digits. */
  timestamp: string;
}

/** The new files of a module, by their path; what they say is formatted afterwards. */
export function moduleFiles(shape: ModuleShape): Map<string, string> {
  const { plural, singular } = shape.names;
  const folder = `src/${plural}`;
  return new Map([
    [`${folder}/${singular}.entity.ts`, entity(shape)],
    [`${folder}/${singular}.dto.ts`, dto(shape)],
    [`${folder}/${singular}.errors.ts`, errors(shape)],
    [`${folder}/${singular}.permissions.ts`, permissions(shape)],
    [`${folder}/${singular}.copies.ts`, copies(shape)],
    [`${folder}/${plural}.service.ts`, service(shape)],
    [`${folder}/${plural}.controller.ts`, controller(shape)],
    [`${folder}/${plural}.module.ts`, nestModule(shape)],
    [`${folder}/index.ts`, index(shape)],
    [migrationPath(shape), migration(shape)],
    [`test/e2e/${plural}.spec.ts`, spec(shape)],
  ]);
}

export function migrationClass({ names, timestamp }: ModuleShape): string {
  return `Create${names.Plural}${timestamp}`;
}

export function migrationPath({ names, timestamp }: ModuleShape): string {
  return `migrations/tenant/${timestamp}-create-${names.plural}.ts`;
}

const each = (fields: Field[], line: (field: Field) => string) => fields.map(line).join('\n');

function entity({ names, fields }: ModuleShape): string {
  const column = ({ name, property, type, optional }: Field) => {
    const options = [...(name === property ? [] : [`name: '${name}'`]), ...(optional ? ['nullable: true'] : [])];
    return `  @Column('${type.column}'${options.length > 0 ? `, { ${options.join(', ')} }` : ''})
  ${property}: ${type.property}${optional ? ' | null' : ''};
`;
  };
  return `import { Column, Entity } from 'typeorm';
import { TenantOwned } from '../tenancy/index.js';

@Entity('${names.table}')
export class ${names.Singular} extends TenantOwned {
${each(fields, column)}
  /** Raised by each change: what If-Match asks for. */
  @Column('integer')
  revision: number;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'updated_at' })
  updatedAt: Date;
}
`;
}

function dto({ names, fields }: ModuleShape): string {
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

function errors({ names }: ModuleShape): string {
  return `import { AppError } from '../common/index.js';

/** Unknown, deleted, or of another tenant: one answer. */
export class ${names.Singular}NotFound extends AppError {
  constructor() {
    super({
      status: 404,
      code: '${names.code}_not_found',
      detail: 'There is no such ${names.word}.',
      remedy: 'GET /api/${names.plural} lists those that there are.',
    });
  }
}
`;
}

function permissions({ names }: ModuleShape): string {
  return `import { declarePermission } from '../auth/index.js';

export const ${names.CONSTANT}_READ = declarePermission({
  name: '${names.singular}:read',
  about: 'Read ${names.words}',
  roles: ['admin', 'member', 'viewer'],
});

export const ${names.CONSTANT}_WRITE = declarePermission({
  name: '${names.singular}:write',
  about: 'Add, change and delete ${names.words}',
  roles: ['admin', 'member'],
});
`;
}

function copies({ names }: ModuleShape): string {
  const { Singular, pluralValue } = names;
  return `import { Injectable, type OnModuleInit } from '@nestjs/common';
import { MoreThan } from 'typeorm';
import { InjectTenantRepository, type TenantRepository } from '../tenancy/index.js';
import { TenantCopies } from '../tenant/index.js';
import { ${Singular} } from './${names.singular}.entity.js';

const PAGE = 500;

/** The ${names.words} in a copy of a tenant, under other ids. */
@Injectable()
export class ${Singular}Copies implements OnModuleInit {
  constructor(
    @InjectTenantRepository(${Singular}) private readonly ${pluralValue}: TenantRepository<${Singular}>,
    private readonly copies: TenantCopies,
  ) {}

  onModuleInit(): void {
    this.copies.register<${Singular}>({
      entity: ${Singular},
      read: async (from) => {
        const rows = await this.${pluralValue}.find({
          ...(from !== undefined && { where: { id: MoreThan(from) } }),
          order: { id: 'ASC' },
          take: PAGE,
        });
        return { rows, next: rows.length === PAGE ? rows.at(-1)?.id : undefined };
      },
      write: async (rows, ids) => {
        // The tenant is left out: it is that of the copy.
        const owned = rows.map(({ tenantId: _source, id, ...values }) => ({ ...values, id: ids.of(id) }));
        if (owned.length > 0) await this.${pluralValue}.insert(owned);
      },
    });
  }
}
`;
}

function service({ names }: ModuleShape): string {
  const { Singular, Plural, value, pluralValue } = names;
  return `import { Injectable } from '@nestjs/common';
import { LessThan } from 'typeorm';
import { isUuid, type Page, RevisionMismatch } from '../common/index.js';
import { InjectTenantRepository, TenantCursors, type TenantRepository, TenantTransaction } from '../tenancy/index.js';
import type { ${Singular}Values } from './${names.singular}.dto.js';
import { ${Singular} } from './${names.singular}.entity.js';
import { ${Singular}NotFound } from './${names.singular}.errors.js';

/** What cursors are sealed with: those of other lists are refused. */
const LIST = '${names.plural}';

@Injectable()
export class ${Plural}Service {
  constructor(
    @InjectTenantRepository(${Singular}) private readonly ${pluralValue}: TenantRepository<${Singular}>,
    private readonly transaction: TenantTransaction,
    private readonly cursors: TenantCursors,
  ) {}

  async add(values: ${Singular}Values): Promise<${Singular}> {
    const createdAt = new Date();
    const [${value}] = await this.${pluralValue}.insert({ ...values, revision: 1, createdAt, updatedAt: createdAt });
    return ${value} as ${Singular};
  }

  /** Newest first. @throws CursorInvalid */
  async page(limit: number, cursor: string | undefined): Promise<Page<${Singular}>> {
    const before = this.cursors.open(LIST, cursor);
    const rows = await this.${pluralValue}.find({
      ...(before !== undefined && { where: { id: LessThan(before) } }),
      order: { id: 'DESC' },
      take: limit + 1,
    });
    return this.cursors.page(LIST, rows, limit, ({ id }) => id);
  }

  /** @throws ${Singular}NotFound */
  async get(id: string): Promise<${Singular}> {
    const ${value} = isUuid(id) ? await this.${pluralValue}.findOneBy({ id }) : null;
    if (!${value}) throw new ${Singular}NotFound();
    return ${value};
  }

  /**
   * @param revision the one last seen; undefined for whichever it has
   * @throws ${Singular}NotFound, RevisionMismatch
   */
  async change(id: string, changes: Partial<${Singular}Values>, revision?: number): Promise<${Singular}> {
    return this.transaction.run(async () => {
      const ${value} = await this.hold(id, revision);
      await this.${pluralValue}.update({ id }, { ...changes, revision: ${value}.revision + 1, updatedAt: new Date() });
      return this.get(id);
    });
  }

  /** As for {@link change}. */
  async remove(id: string, revision?: number): Promise<void> {
    await this.transaction.run(async () => {
      await this.hold(id, revision);
      await this.${pluralValue}.delete({ id });
    });
  }

  /** Whoever else would change it waits until the unit of work at hand has ended. */
  private async hold(id: string, revision: number | undefined): Promise<${Singular}> {
    const lock = { mode: 'pessimistic_write' } as const;
    const ${value} = isUuid(id) ? await this.${pluralValue}.findOne({ where: { id }, lock }) : null;
    if (!${value}) throw new ${Singular}NotFound();
    if (revision !== undefined && revision !== ${value}.revision) throw new RevisionMismatch();
    return ${value};
  }
}
`;
}

function controller({ names }: ModuleShape): string {
  const { Singular, Plural, value, pluralValue, CONSTANT } = names;
  const one = withArticle(names.word);
  const One = one.charAt(0).toUpperCase() + one.slice(1);
  return `import { Body, Controller, Delete, Get, Header, Headers, HttpCode, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiHeader,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { type AccessRequest, locate, RequiresPermission } from '../auth/index.js';
import { parseLimit, revisionOf } from '../common/index.js';
import { ApiTenantHeader } from '../http/index.js';
import {
  Change${Singular}Request,
  changesOf,
  Create${Singular}Request,
  new${Singular}Of,
  ${Singular}ListQuery,
  ${Singular}Page,
  ${Singular}View,
} from './${names.singular}.dto.js';
import type { ${Singular} } from './${names.singular}.entity.js';
import { ${CONSTANT}_READ, ${CONSTANT}_WRITE } from './${names.singular}.permissions.js';
import { ${Plural}Service } from './${names.plural}.service.js';

const Id = () => ApiParam({ name: 'id', schema: { type: 'string', format: 'uuid' } });
const IfMatch = () =>
  ApiHeader({ name: 'If-Match', required: false, description: 'The ETag last seen; 412 when it is another by now.' });

@ApiTags('${names.plural}')
@ApiTenantHeader()
@ApiBearerAuth('bearer')
@Controller('api/${names.plural}')
export class ${Plural}Controller {
  constructor(private readonly ${pluralValue}: ${Plural}Service) {}

  @Post()
  @HttpCode(201)
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(${CONSTANT}_WRITE)
  @ApiOperation({ summary: 'Add ${one}' })
  @ApiCreatedResponse({ type: ${Singular}View })
  async add(
    @Body() body: Create${Singular}Request,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<${Singular}View> {
    const ${value} = await this.${pluralValue}.add(new${Singular}Of(body));
    locate(request, response, ${value}.id);
    return tagged(response, ${value});
  }

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(${CONSTANT}_READ)
  @ApiOperation({ summary: 'The ${names.words}, newest first' })
  @ApiOkResponse({ type: ${Singular}Page })
  async list(@Query() query: ${Singular}ListQuery): Promise<${Singular}Page> {
    return ${Singular}Page.of(await this.${pluralValue}.page(parseLimit(query.limit, 50, 100), query.cursor));
  }

  @Get(':id')
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(${CONSTANT}_READ)
  @Id()
  @ApiOperation({ summary: '${One}' })
  @ApiOkResponse({ type: ${Singular}View })
  async find(@Param('id') id: string, @Res({ passthrough: true }) response: Response): Promise<${Singular}View> {
    return tagged(response, await this.${pluralValue}.get(id));
  }

  @Patch(':id')
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(${CONSTANT}_WRITE)
  @Id()
  @IfMatch()
  @ApiOperation({ summary: 'Change ${one}' })
  @ApiOkResponse({ type: ${Singular}View })
  async change(
    @Param('id') id: string,
    @Body() body: Change${Singular}Request,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<${Singular}View> {
    return tagged(response, await this.${pluralValue}.change(id, changesOf(body), revisionOf(ifMatch)));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequiresPermission(${CONSTANT}_WRITE)
  @Id()
  @IfMatch()
  @ApiOperation({ summary: 'Delete ${one}' })
  @ApiNoContentResponse()
  remove(@Param('id') id: string, @Headers('if-match') ifMatch: string | undefined): Promise<void> {
    return this.${pluralValue}.remove(id, revisionOf(ifMatch));
  }
}

function tagged(response: Response, ${value}: ${Singular}): ${Singular}View {
  const view = ${Singular}View.of(${value});
  response.setHeader('ETag', view.etag);
  return view;
}
`;
}

function nestModule({ names }: ModuleShape): string {
  const { Singular, Plural } = names;
  return `import { Module } from '@nestjs/common';
import { ${Singular}Copies } from './${names.singular}.copies.js';
import { ${Plural}Controller } from './${names.plural}.controller.js';
import { ${Plural}Service } from './${names.plural}.service.js';

@Module({
  controllers: [${Plural}Controller],
  providers: [${Plural}Service, ${Singular}Copies],
  exports: [${Plural}Service],
})
export class ${Plural}Module {}
`;
}

function index({ names }: ModuleShape): string {
  const { Singular, Plural, singular, plural } = names;
  return `export { ${Singular} } from './${singular}.entity.js';
export * from './${singular}.errors.js';
export * from './${singular}.permissions.js';
export { ${Plural}Module } from './${plural}.module.js';
export { ${Plural}Service } from './${plural}.service.js';
`;
}

function migration(shape: ModuleShape): string {
  const { names, fields } = shape;
  const name = migrationClass(shape);
  const columns = each(
    fields,
    (field) => `      ${field.name} ${field.type.column}${field.optional ? '' : ' NOT NULL'},`,
  );
  return `import type { MigrationInterface, QueryRunner } from 'typeorm';
import { isolateTable } from '../../src/tenancy/index.js';

export class ${name} implements MigrationInterface {
  name = '${name}';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(\`CREATE TABLE ${names.table} (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
${columns}
      revision integer NOT NULL,
      created_at timestamptz NOT NULL,
      updated_at timestamptz NOT NULL,
      PRIMARY KEY (tenant_id, id)
    )\`);
    await isolateTable(runner, '${names.table}');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE ${names.table}');
  }
}
`;
}

function spec({ names, fields }: ModuleShape): string {
  const { plural, code, word, words } = names;
  const one = withArticle(word);
  const values = (of: (field: Field) => string) => fields.map((field) => `${field.name}: ${of(field)}`).join(', ');
  const [first] = fields as [Field, ...Field[]];
  return `import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type SignedIn, signIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

let t: TestApp;
let member: SignedIn;
let viewer: SignedIn;
let globex: SignedIn;
beforeAll(async () => {
  t = await createTestApp();
  [member, viewer, globex] = [
    await signIn(t, 'acme', 'member'),
    await signIn(t, 'acme', 'viewer'),
    await signIn(t, 'globex', 'admin'),
  ];
});
afterAll(() => t?.close());

const VALUES = { ${values(({ type }) => type.good)} };
const OTHERS = { ${values(({ type }) => type.other)} };
const BAD = { ${values(({ type }) => type.bad)} };

const path = (id: string) => \`/api/${plural}/\${id}\`;
const add = async (by: SignedIn, values: object = VALUES) => {
  const answer = await by.send('POST', '/api/${plural}', values);
  expect(answer.status, answer.text).toBe(201);
  return answer;
};
const told = ({ status, json }: { status: number; json: { code?: string } }) => [status, json.code];

describe('${one} of acme', () => {
  it('is added, found, changed and deleted by a member', async () => {
    const made = await add(member);
    expect(made.json).toMatchObject({ ...VALUES, etag: '"r1"' });
    expect(made.headers).toMatchObject({ location: path(made.json.id), etag: '"r1"' });
    expect((await member.get(path(made.json.id))).json).toEqual(made.json);
    const changed = await member.send('PATCH', path(made.json.id), OTHERS);
    expect(changed.json).toMatchObject({ ...made.json, ...OTHERS, etag: '"r2"', updated_at: expect.any(String) });
    expect((await member.send('PATCH', path(made.json.id), {})).json).toMatchObject(OTHERS);
    expect((await member.send('DELETE', path(made.json.id))).status).toBe(204);
    expect(told(await member.get(path(made.json.id)))).toEqual([404, '${code}_not_found']);
  });

  it('is read by a viewer, and changed by none', async () => {
    const { id } = (await add(member)).json;
    expect((await viewer.get(path(id))).status).toBe(200);
    expect(told(await viewer.send('POST', '/api/${plural}', VALUES))).toEqual([403, 'permission_missing']);
    expect(told(await viewer.send('PATCH', path(id), OTHERS))).toEqual([403, 'permission_missing']);
    expect(told(await viewer.send('DELETE', path(id)))).toEqual([403, 'permission_missing']);
  });

  it('is nothing to globex', async () => {
    const { id } = (await add(member)).json;
    const own = (await add(globex)).json;
    expect((await globex.get('/api/${plural}')).json.items).toEqual([own]);
    for (const answer of [
      await globex.get(path(id)),
      await globex.send('PATCH', path(id), OTHERS),
      await globex.send('DELETE', path(id)),
    ])
      expect(told(answer)).toEqual([404, '${code}_not_found']);
    expect((await member.get(path(id))).json).toMatchObject(VALUES);
  });

  it('is refused with every field at fault', async () => {
    const refused = await member.send('POST', '/api/${plural}', BAD);
    expect(told(refused)).toEqual([422, 'validation_failed']);
    const pointers = refused.json.errors.map(({ pointer }: { pointer: string }) => pointer);
    expect(pointers.sort()).toEqual(Object.keys(BAD).map((name) => \`/\${name}\`).sort());
    const { id } = (await add(member)).json;
    expect(told(await member.send('PATCH', path(id), { ${first.name}: BAD.${first.name} }))).toEqual([422, 'validation_failed']);
    expect((await member.get(path(id))).json).toMatchObject({ ...VALUES, etag: '"r1"' });
  });

  it('is changed by one of two who saw the same, and each of two who do not ask', async () => {
    const { id } = (await add(member)).json;
    const change = (headers: object) =>
      t.request('PATCH', path(id), { headers: { ...member.headers, ...headers }, body: OTHERS });
    const seen = { 'if-match': '"r1"' };
    const statuses = (await Promise.all([change(seen), change(seen)])).map(({ status }) => status);
    expect(statuses.sort()).toEqual([200, 412]);
    expect((await Promise.all([change({}), change({})])).map(({ status }) => status)).toEqual([200, 200]);
    const late = await t.request('DELETE', path(id), { headers: { ...member.headers, ...seen } });
    expect(told(late)).toEqual([412, 'revision_mismatch']);
    expect((await member.get(path(id))).headers.etag).toBe('"r4"');
  });
});

it('${words} come in pages, newest first, whose cursor is of no use to another tenant', async () => {
  const made: string[] = [];
  for (let n = 0; n < 3; n += 1) made.unshift((await add(member)).json.id);
  const first = (await member.get('/api/${plural}?limit=2')).json;
  const ids = (page: { items: { id: string }[] }) => page.items.map(({ id }) => id);
  expect(ids(first)).toEqual(made.slice(0, 2));
  const next = \`/api/${plural}?limit=2&cursor=\${encodeURIComponent(first.next_cursor)}\`;
  expect(ids((await member.get(next)).json)[0]).toBe(made[2]);
  expect(told(await globex.get(next))).toEqual([422, 'cursor_invalid']);
});
`;
}
