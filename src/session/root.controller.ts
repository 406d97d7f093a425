import { Controller, Get, Inject, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Request, Response } from 'express';
import { PublicOnTenant } from '../auth/index.js';
import { brandingOf, BrandLogos, brandPage, PAGE_POLICY } from '../branding/index.js';
import { ENV } from '../database/index.js';
import type { Env } from '../env/index.js';
import { TenantSettings } from '../settings/index.js';
import { type Tenant, TenantContext } from '../tenancy/index.js';
import { DEMO_SLUGS } from '../tenant/index.js';
import { WELCOME } from './session.settings.js';

@ApiTags('session')
@Controller()
export class RootController {
  constructor(
    @Inject(ENV) private readonly env: Env,
    private readonly context: TenantContext,
    private readonly settings: TenantSettings,
    private readonly logos: BrandLogos,
  ) {}

  @Get()
  @PublicOnTenant()
  @ApiOperation({ summary: 'Say hello; on the address of a tenant, in its name, and to a browser as a page' })
  @ApiOkResponse({ schema: { type: 'object', example: { ok: true, tenants: ['acme', 'globex', 'initech'] } } })
  hello(
    @Req() request: Request,
    @Res({ passthrough: true }) response: Response,
  ): Record<string, unknown> | Promise<string> {
    const tenant = this.context.current();
    if (tenant) response.vary('Accept, X-Tenant-ID, Authorization');
    if (tenant && request.accepts(['json', 'html']) === 'html') return this.page(tenant, response);
    if (tenant)
      return { ok: true, tenant: { id: tenant.slug, name: tenant.name, welcome: this.settings.get(WELCOME) } };
    return this.env.demo ? { ok: true, tenants: DEMO_SLUGS } : { ok: true };
  }

  private async page(tenant: Tenant, response: Response): Promise<string> {
    const summary = await this.logos.shown();
    const logo = summary && { ...summary, url: `/api/branding/logo?v=${summary.tag}` };
    response.type('text/html; charset=utf-8').set('Content-Security-Policy', PAGE_POLICY);
    const welcome = this.settings.get(WELCOME);
    return brandPage(brandingOf(tenant), welcome === '' ? [] : [welcome], logo);
  }
}
