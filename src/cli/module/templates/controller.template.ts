import { withArticle } from '../module.names.js';
import type { ModuleShape } from '../module.shape.js';

export function controller({ names }: ModuleShape): string {
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
