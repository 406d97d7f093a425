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
import { ForTenant, ForVisitorSession, type VisitorRequest } from '../auth/index.js';
import { AppError } from '../common/index.js';
import { ApiTenantHeader } from '../http/index.js';
import { IdempotencyService } from '../idempotency/index.js';
import { TenantSettings } from '../settings/index.js';
import { TenantContext } from '../tenancy/index.js';
import { SessionRequest, SessionResponse, SessionView } from './session.dto.js';
import { SESSION_IDLE_MS, SessionService } from './session.service.js';
import { CHAT_PUBLIC, WELCOME } from './session.settings.js';

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
  @ForTenant()
  @ApiOperation({ summary: 'Open a chat session with a tenant' })
  @ApiHeader({ name: 'Idempotency-Key', required: false, description: 'A random UUID makes a retry safe.' })
  @ApiCreatedResponse({ type: SessionResponse })
  open(@Body() body: SessionRequest, @Req() request: VisitorRequest): Promise<SessionResponse> {
    if (!this.settings.get(CHAT_PUBLIC)) throw signInRequired();
    const tenant = this.context.currentOrThrow('A chat session');
    // An anonymous caller has no name, so the address and agent keep two callers' equal keys apart.
    const scope = `session:${request.ip ?? ''}:${request.get('user-agent') ?? ''}`;
    return this.idempotency.execute<SessionResponse>(
      { key: request.get('idempotency-key'), scope, body, ttlMs: HOUR_MS },
      (commit) => {
        const { credential, write } = this.sessions.prepare();
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
  current(@Req() request: VisitorRequest): Promise<SessionView> {
    return this.view(request);
  }

  @Get('api/sessions/:session_id')
  @Header('Cache-Control', 'no-store')
  @ForVisitorSession('path')
  @ApiParam({
    name: 'session_id',
    schema: { type: 'string', example: 'SESSION_ID' },
    description: 'As answered by POST /session.',
  })
  @ApiTenantHeader()
  @ApiOperation({ summary: 'A session, for the bearer of its id' })
  @ApiOkResponse({ type: SessionView })
  read(@Req() request: VisitorRequest): Promise<SessionView> {
    return this.view(request);
  }

  private async view(request: VisitorRequest): Promise<SessionView> {
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

function signInRequired(): AppError {
  return new AppError({
    status: 401,
    code: 'sign_in_required',
    detail: 'This tenant takes no anonymous visitors.',
    remedy: 'Sign in first.',
    headers: { 'WWW-Authenticate': 'Bearer' },
  });
}
