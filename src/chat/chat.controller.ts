import { Body, Controller, Get, Header, HttpCode, Post, Query, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiParam, ApiSecurity, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { type AccessRequest, ForVisitorSession, visitorOf } from '../auth/index.js';
import { AppError, parseLimit } from '../common/index.js';
import { ApiIdempotencyKey, ApiOptionalBearer, ApiPaging, ApiTenantHeader, goneSignal } from '../http/index.js';
import { IdempotencyService } from '../idempotency/index.js';
import { AddressLimited, LimitedBy } from '../limits/index.js';
import { SESSION_READ, SESSION_READ_ANY, SESSION_WRITE } from '../session/index.js';
import { ChatRequest, ChatResponse, MAX_MESSAGE_BYTES, MessagePage, MessageView } from './chat.dto.js';
import { ChatService } from './chat.service.js';

const DAY_MS = 24 * 60 * 60 * 1000;

@ApiTags('chat')
@Controller()
export class ChatController {
  constructor(
    private readonly chats: ChatService,
    private readonly idempotency: IdempotencyService,
  ) {}

  @Post('chat')
  @HttpCode(200)
  @ForVisitorSession('body', SESSION_WRITE)
  @ApiOptionalBearer()
  @AddressLimited('visitor')
  @LimitedBy('chat')
  @ApiOperation({
    summary: "Send a message to the tenant's model",
    description: 'Message and reply are stored before the answer.',
  })
  @ApiIdempotencyKey()
  @ApiOkResponse({ type: ChatResponse })
  chat(
    @Body() body: ChatRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<ChatResponse> {
    if (Buffer.byteLength(body.message) > MAX_MESSAGE_BYTES) throw messageTooLarge();
    const sessionId = visitorOf(request).sessionId;
    const gone = goneSignal(response);
    return this.idempotency.execute<ChatResponse>(
      { key: request.get('idempotency-key'), scope: `chat:${sessionId}`, body, ttlMs: DAY_MS },
      (commit) => this.chats.chat(sessionId, body.session_id, body.message, commit, gone),
    );
  }

  @Get('api/sessions/current/messages')
  @Header('Cache-Control', 'no-store')
  @ForVisitorSession('authorization')
  @ApiSecurity('session')
  @ApiTenantHeader()
  @ApiPaging(100)
  @ApiOperation({ summary: 'Messages of the session in the Authorization header, oldest first' })
  @ApiOkResponse({ type: MessagePage })
  current(
    @Req() request: AccessRequest,
    @Query('limit') limit?: string,
    @Query('cursor') cursor?: string,
  ): Promise<MessagePage> {
    return this.page(request, limit, cursor);
  }

  @Get('api/sessions/:session_id/messages')
  @Header('Cache-Control', 'no-store')
  @ForVisitorSession('path', SESSION_READ, SESSION_READ_ANY)
  @ApiOptionalBearer()
  @ApiParam({
    name: 'session_id',
    schema: { type: 'string', example: 'SESSION_ID' },
    description: 'As answered by POST /session; signed in, also the UUID of an own session.',
  })
  @ApiTenantHeader()
  @ApiPaging(100)
  @ApiOperation({
    summary: 'Messages of a session, oldest first',
    description: "With session:read-any also of anybody's by its UUID; each time it is in the audit log.",
  })
  @ApiOkResponse({ type: MessagePage })
  messages(
    @Req() request: AccessRequest,
    @Query('limit') limit?: string,
    @Query('cursor') cursor?: string,
  ): Promise<MessagePage> {
    return this.page(request, limit, cursor);
  }

  private async page(request: AccessRequest, limit?: string, cursor?: string): Promise<MessagePage> {
    const page = await this.chats.history(visitorOf(request).sessionId, parseLimit(limit, 50, 100), cursor);
    return { items: page.items.map((message) => MessageView.of(message)), next_cursor: page.next_cursor };
  }
}

function messageTooLarge(): AppError {
  return new AppError({
    status: 413,
    code: 'message_too_large',
    detail: `The message is longer than ${MAX_MESSAGE_BYTES} bytes.`,
    remedy: 'Send a shorter message.',
    errors: [{ pointer: '/message', detail: `must be at most ${MAX_MESSAGE_BYTES} bytes of UTF-8` }],
  });
}
