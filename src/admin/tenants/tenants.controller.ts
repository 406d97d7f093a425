import { Body, Controller, Get, Header, Headers, HttpCode, Param, Patch, Post, Query, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiCreatedResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { type AccessRequest, adminOf, RequiresPlatformPermission } from '../../auth/index.js';
import { etagOf, parseLimit, revisionOf } from '../../common/index.js';
import { ApiIdempotencyKey, ApiIfMatch, ApiNamedTenant } from '../../http/index.js';
import { PlatformIdempotency } from '../../idempotency/index.js';
import {
  CopyTemplates,
  PlanRegistry,
  TenantEditor,
  TenantProvisioning,
  TenantQuery,
  type TenantRecord,
  TenantStore,
} from '../../tenant/index.js';
import { editOf, newTenantOf } from './requested.tenant.js';
import { TenantListQuery, TenantPageView } from './tenant-list.dto.js';
import { ChangeTenantRequest, CreateTenantRequest } from './tenant-request.dto.js';
import { TenantDetails, TenantView } from './tenant-view.dto.js';

const CUSTOMER = {
  slug: 'umbrella',
  name: 'Umbrella Ltd',
  plan: 'free',
  kind: 'production',
  owner: { email: 'ada@umbrella.example', name: 'Ada Owner' },
  settings: { 'chat.public': true, 'limits.chat_per_10s': 20 },
};

@ApiTags('tenants')
@ApiBearerAuth('bearer')
@Controller('api/admin/tenants')
export class TenantsController {
  constructor(
    private readonly store: TenantStore,
    private readonly query: TenantQuery,
    private readonly editor: TenantEditor,
    private readonly provisioning: TenantProvisioning,
    private readonly plans: PlanRegistry,
    private readonly templates: CopyTemplates,
    private readonly idempotency: PlatformIdempotency,
  ) {}

  @Post()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:write')
  @ApiOperation({
    summary: 'Create a tenant',
    description: 'Answers at once; the tenant is `provisioning` and, usually within a second, `active`.',
  })
  @ApiIdempotencyKey()
  @ApiBody({ type: CreateTenantRequest, examples: { 'a customer': { value: CUSTOMER } } })
  @ApiCreatedResponse({ type: TenantView })
  async create(
    @Body() body: CreateTenantRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TenantView> {
    const view = await this.idempotency.execute(
      { key: request.get('idempotency-key'), scope: `tenants:${adminOf(request).id}`, body },
      async (manager) => {
        // In here, so that a repetition is answered whatever became of the template.
        const tenant = await newTenantOf(body, this.plans, this.templates, manager);
        return TenantView.of(await this.provisioning.createWithin(manager, tenant));
      },
    );
    response.setHeader('Location', `/api/admin/tenants/${view.slug}`);
    response.setHeader('ETag', view.etag);
    return view;
  }

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:read')
  @ApiOperation({ summary: 'Tenants, newest first' })
  @ApiOkResponse({ type: TenantPageView })
  async list(@Query() query: TenantListQuery): Promise<TenantPageView> {
    const limit = parseLimit(query.limit, 50, 200);
    const page = await this.query.list(query, limit, query.cursor, query.total === 'true');
    return { ...page, items: page.items.map((tenant) => TenantView.of(tenant)) };
  }

  @Get(':tenant')
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:read')
  @ApiOperation({ summary: 'One tenant, with the steps of its provisioning' })
  @ApiNamedTenant()
  @ApiOkResponse({ type: TenantDetails })
  async read(@Param('tenant') name: string, @Res({ passthrough: true }) response: Response): Promise<TenantDetails> {
    const tenant = await this.store.find(name);
    const progress = await this.provisioning.progress(tenant.id);
    response.setHeader('ETag', etagOf(tenant.revision));
    return TenantDetails.with(tenant, progress);
  }

  @Patch(':tenant')
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:write')
  @ApiOperation({ summary: 'Rename a tenant, change plan, kind or settings' })
  @ApiNamedTenant('initech')
  @ApiIfMatch()
  @ApiOkResponse({ type: TenantView })
  async change(
    @Param('tenant') name: string,
    @Body() body: ChangeTenantRequest,
    @Headers('if-match') ifMatch: string | undefined,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TenantView> {
    const tenant = await this.editor.edit(name, editOf(body), revisionOf(ifMatch));
    return tagged(response, tenant);
  }

  @Post(':tenant/provisioning/retry')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:write')
  @ApiOperation({ summary: 'Go on with a failed provisioning or reset, from the step that failed' })
  @ApiNamedTenant()
  @ApiOkResponse({ type: TenantView })
  async retry(@Param('tenant') name: string): Promise<TenantView> {
    return TenantView.of(await this.provisioning.retry(name));
  }

  @Post(':tenant/provisioning/roll-back')
  @HttpCode(202)
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:delete')
  @ApiOperation({
    summary: 'Take back what a failed provisioning made',
    description: 'Nothing stays but the audit events; the slug is free again, because nobody was served under it.',
  })
  @ApiNamedTenant()
  async rollBack(@Param('tenant') name: string): Promise<TenantView> {
    return TenantView.of(await this.provisioning.rollBack(name));
  }
}

function tagged(response: Response, tenant: TenantRecord): TenantView {
  response.setHeader('ETag', etagOf(tenant.revision));
  return TenantView.of(tenant);
}
