import { Body, Controller, Get, Header, HttpCode, Post, Req } from '@nestjs/common';
import {
  ApiCreatedResponse,
  ApiHeader,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiSecurity,
  ApiTags,
} from '@nestjs/swagger';
import { type AccessRequest, CHAT_PUBLIC, ForTenant, ForVisitorSession, SignInRequired } from '../auth/index.js';
import { ApiTenantHeader } from '../http/index.js';
import { IdempotencyService } from '../idempotency/index.js';
import { AddressLimited } from '../limits/index.js';
import { TenantSettings } from '../settings/index.js';
import { TenantContext } from '../tenancy/index.js';
import { SessionRequest, SessionResponse, SessionView } from './session.dto.js';
import { SESSION_READ, SESSION_WRITE } from './session.permissions.js';
import { SESSION_IDLE_MS, SessionService } from './session.service.js';
import { WELCOME } from './session.settings.js';

const HOUR_MS = 60 * 60 * 1000;

@ApiTags('session')
@Controller()
export class SessionController {
  constructor(
    private readonly sessions: SessionService,
    private readonly idempotency: IdempotencyService,
    private readonly context: TenantContext,
    private readonly settings: TenantSettings,
  ) {}

  @Post('session')
  @HttpCode(201)
  @Header('Cache-Control', 'no-store')
  @ForTenant(SESSION_WRITE)
  @AddressLimited('visitor')
  @ApiOperation({ summary: 'Open a chat session with a tenant, as a visitor or signed in' })
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'A random UUID makes a retry safe.' })
  @ApiCreatedResponse({ type: SessionResponse })
  open(@Body() body: SessionRequest, @Req() request: AccessRequest): Promise<SessionResponse> {
    const { principal } = request;
    if (!principal && !this.settings.get(CHAT_PUBLIC)) throw new SignInRequired();
    const tenant = this.context.currentOrThrow('A chat session');
    // An anonymous caller has no name, so the address and agent keep two callers' equal keys apart.
    const caller = principal?.id ?? `${request.ip ?? ''}:${request.get('user-agent') ?? ''}`;
    const scope = `session:${caller}`;
    return this.idempotency.execute<SessionResponse>(
      { key: request.get('idempotency-key'), scope, body, ttlMs: HOUR_MS },
      (commit) => {
        const { credential, write } = this.sessions.prepare(principal?.kind === 'user' ? principal.id : undefined);
        const welcome = this.settings.get(WELCOME);
        return commit({ session_id: credential, tenant: { id: tenant.slug, name: tenant.name, welcome } }, write);
      },
    );
  }

  @Get('api/sessions/current')
  @Header('Cache-Control', 'no-store')
  @ForVisitorSession('authorization')
  @ApiSecurity('session')
  @ApiTenantHeader()
  @ApiOperation({ summary: 'The session in the Authorization header' })
  @ApiOkResponse({ type: SessionView })
  current(@Req() request: AccessRequest): Promise<SessionView> {
    return this.view(request);
  }

  @Get('api/sessions/:session_id')
  @Header('Cache-Control', 'no-store')
  @ForVisitorSession('path', SESSION_READ)
  @ApiParam({
    name: 'session_id',
    schema: { type: 'string', example: 'SESSION_ID' },
    description: 'As answered by POST /session.',
  })
  @ApiTenantHeader()
  @ApiOperation({ summary: 'A session, for the bearer of its id' })
  @ApiOkResponse({ type: SessionView })
  read(@Req() request: AccessRequest): Promise<SessionView> {
    return this.view(request);
  }

  private async view(request: AccessRequest): Promise<SessionView> {
    const session = await this.sessions.get(request.visitor?.sessionId ?? '');
    return {
      id: session.id,
      tenant_id: this.context.currentOrThrow('A chat session').slug,
      created_at: session.createdAt.toISOString(),
      last_active_at: session.lastActiveAt.toISOString(),
      expires_at: new Date(session.lastActiveAt.getTime() + SESSION_IDLE_MS).toISOString(),
    };
  }
}
