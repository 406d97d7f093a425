import { Body, Controller, Delete, Get, Header, HttpCode, Param, Patch, Post, Query, Req } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiSecurity,
  ApiTags,
} from '@nestjs/swagger';
import {
  type AccessRequest,
  callerOf,
  demandPermission,
  ForTenant,
  ForVisitorSession,
  RequiresPermission,
  visitorOf,
} from '../auth/index.js';
import { parseLimit, ValidationFailed } from '../common/index.js';
import { ApiFieldFilters, FieldFilterQuery, type FieldQuery, newFieldValues, SESSION_FIELDS } from '../fields/index.js';
import { ApiIdempotencyKey, ApiOptionalBearer, ApiTenantHeader } from '../http/index.js';
import { IdempotencyService } from '../idempotency/index.js';
import { AddressLimited } from '../limits/index.js';
import { TenantSettings } from '../settings/index.js';
import { TenantContext } from '../tenancy/index.js';
import { SessionList } from './session.list.js';
import {
  ChangeSessionRequest,
  SessionListQuery,
  SessionPage,
  SessionRequest,
  SessionResponse,
  SessionView,
} from './session.dto.js';
import { SESSION_READ, SESSION_READ_ANY, SESSION_WRITE } from './session.permissions.js';
import { SessionService, type SessionState } from './session.service.js';
import { WELCOME } from './session.settings.js';

const HOUR_MS = 60 * 60 * 1000;

@ApiTags('session')
@Controller()
export class SessionController {
  constructor(
    private readonly sessions: SessionService,
    private readonly lists: SessionList,
    private readonly idempotency: IdempotencyService,
    private readonly context: TenantContext,
    private readonly settings: TenantSettings,
  ) {}

  @Post('session')
  @HttpCode(201)
  @Header('Cache-Control', 'no-store')
  @ForTenant(SESSION_WRITE, { visitors: true })
  @ApiOptionalBearer()
  @AddressLimited('visitor')
  @ApiOperation({
    summary: 'Open a chat session with a tenant, as a visitor or signed in',
    description:
      "A signed-in user's session is theirs alone. One that an API key opens belongs to nobody: whoever holds its " +
      'session_id is in, visitors where the tenant takes them.',
  })
  @ApiIdempotencyKey()
  @ApiCreatedResponse({ type: SessionResponse })
  open(@Body() body: SessionRequest, @Req() request: AccessRequest): Promise<SessionResponse> {
    const { principal } = request;
    const tenant = this.context.currentOrThrow('A chat session');
    // An anonymous caller has no name, so the address and agent keep two callers' equal keys apart.
    const caller = principal?.id ?? `${request.ip ?? ''}:${request.get('user-agent') ?? ''}`;
    const scope = `session:${caller}`;
    return this.idempotency.execute<SessionResponse>(
      { key: request.get('idempotency-key'), scope, body, ttlMs: HOUR_MS },
      async (commit) => {
        const fields = await newFieldValues(this.settings.get(SESSION_FIELDS), body.custom_fields ?? {});
        const userId = principal?.kind === 'user' ? principal.id : undefined;
        const { credential, write } = this.sessions.prepare(userId, fields);
        const welcome = this.settings.get(WELCOME);
        return commit({ session_id: credential, tenant: { id: tenant.slug, name: tenant.name, welcome } }, write);
      },
    );
  }

  @Get('api/sessions')
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(SESSION_READ)
  @ApiBearerAuth('bearer')
  @ApiTenantHeader()
  @ApiOperation({
    summary: 'Own sessions, newest first',
    description:
      "With `user_id` or `all=true` other people's, for those with session:read-any; each such list is in the audit log.",
  })
  @ApiFieldFilters()
  @ApiOkResponse({ type: SessionPage })
  async list(
    @Query() query: SessionListQuery,
    @FieldFilterQuery() fields: FieldQuery,
    @Req() request: AccessRequest,
  ): Promise<SessionPage> {
    const principal = callerOf(request);
    if (query.all !== undefined && query.user_id !== undefined) {
      throw new ValidationFailed([{ pointer: '/user_id', detail: 'must not be given together with all' }]);
    }
    const userId = query.all === 'true' ? undefined : (query.user_id ?? principal.id);
    const others = userId !== principal.id;
    if (others) demandPermission(principal, SESSION_READ_ANY);
    const limit = parseLimit(query.limit, 50, 100);
    const page = await this.lists.page(userId, limit, query.cursor, others, fields);
    return { items: page.items.map((session) => this.shown(session)), next_cursor: page.next_cursor };
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
  @ForVisitorSession('path', SESSION_READ, SESSION_READ_ANY)
  @ApiOptionalBearer()
  @ApiParam({
    name: 'session_id',
    schema: { type: 'string', example: 'SESSION_ID' },
    description: 'As answered by POST /session; signed in, also the UUID of an own session.',
  })
  @ApiTenantHeader()
  @ApiOperation({
    summary: 'A session, for the bearer of its id',
    description: "With session:read-any also anybody's by its UUID; each time it is in the audit log.",
  })
  @ApiOkResponse({ type: SessionView })
  read(@Req() request: AccessRequest): Promise<SessionView> {
    return this.view(request);
  }

  @Patch('api/sessions/:session_id')
  @Header('Cache-Control', 'no-store')
  @ForVisitorSession('path', SESSION_WRITE)
  @ApiOptionalBearer()
  @ApiParam({
    name: 'session_id',
    schema: { type: 'string', example: 'SESSION_ID' },
    description: 'As answered by POST /session; signed in, also the UUID of an own session.',
  })
  @ApiTenantHeader()
  @ApiOperation({ summary: 'Write custom fields of a session, for whoever may write in it' })
  @ApiOkResponse({ type: SessionView })
  async change(@Body() { custom_fields: fields }: ChangeSessionRequest, @Req() request: AccessRequest) {
    if (fields == null) return this.view(request);
    return this.shown(await this.sessions.changeFields(visitorOf(request).sessionId, fields));
  }

  @Delete('api/sessions/:id')
  @HttpCode(204)
  @RequiresPermission(SESSION_WRITE)
  @ApiBearerAuth('bearer')
  @ApiParam({ name: 'id', schema: { type: 'string', format: 'uuid' }, description: 'UUID of an own session.' })
  @ApiTenantHeader()
  @ApiOperation({ summary: 'Delete an own session with its messages' })
  @ApiNoContentResponse()
  async remove(@Param('id') id: string, @Req() request: AccessRequest): Promise<void> {
    await this.lists.remove(id, callerOf(request).id);
  }

  private async view(request: AccessRequest): Promise<SessionView> {
    return this.shown(await this.sessions.get(visitorOf(request).sessionId));
  }

  private shown(session: SessionState): SessionView {
    const { slug } = this.context.currentOrThrow('A chat session');
    return SessionView.of(session, slug, this.settings.get(SESSION_FIELDS));
  }
}
