import { Controller, Get, Inject } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { PublicOnTenant } from '../auth/index.js';
import { ENV } from '../database/index.js';
import type { Env } from '../env/index.js';
import { TenantSettings } from '../settings/index.js';
import { TenantContext } from '../tenancy/index.js';
import { DEMO_SLUGS } from '../tenant/index.js';
import { WELCOME } from './session.settings.js';

@ApiTags('session')
@Controller()
export class RootController {
  constructor(
    @Inject(ENV) private readonly env: Env,
    private readonly context: TenantContext,
    private readonly settings: TenantSettings,
  ) {}

  @Get()
  @PublicOnTenant()
  @ApiOperation({ summary: 'Say hello; on the address of a tenant, in its name' })
  @ApiOkResponse({ schema: { type: 'object', example: { ok: true, tenants: ['acme', 'globex', 'initech'] } } })
  hello(): Record<string, unknown> {
    const tenant = this.context.current();
    if (tenant)
      return { ok: true, tenant: { id: tenant.slug, name: tenant.name, welcome: this.settings.get(WELCOME) } };
    return this.env.demo ? { ok: true, tenants: DEMO_SLUGS } : { ok: true };
  }
}
