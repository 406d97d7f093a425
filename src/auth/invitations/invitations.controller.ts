import { Body, Controller, Delete, Get, Header, HttpCode, Param, Post, Query, Req, Res } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { parseLimit } from '../../common/index.js';
import { ApiTenantHeader } from '../../http/index.js';
import { AddressLimited } from '../../limits/index.js';
import { ForTenant, RequiresPermission } from '../access/access.decorator.js';
import { callerOf, locate } from '../access/caller.js';
import type { AccessRequest } from '../access/principal.js';
import { RefreshCookie } from '../sign-in/refresh.cookie.js';
import { clientOf } from '../sign-in/client.js';
import { TokenResponse } from '../sign-in/sign-in.dto.js';
import { InvitationAcceptance } from './invitation.acceptance.js';
import {
  AcceptInvitationRequest,
  InvitationListQuery,
  InvitationPage,
  InvitationView,
  InviteRequest,
} from './invitation.dto.js';
import { INVITATION_READ, INVITATION_WRITE } from './invitation.permissions.js';
import { InvitationsService } from './invitations.service.js';

const Id = () => ApiParam({ name: 'id', schema: { type: 'string', format: 'uuid' } });

@ApiTags('invitations')
@ApiTenantHeader()
@Controller('api/invitations')
export class InvitationsController {
  constructor(
    private readonly invitations: InvitationsService,
    private readonly acceptance: InvitationAcceptance,
    private readonly cookie: RefreshCookie,
  ) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(INVITATION_READ)
  @ApiBearerAuth('bearer')
  @ApiOperation({ summary: 'Invitations, newest first' })
  @ApiOkResponse({ type: InvitationPage })
  async list(@Query() { status, limit, cursor }: InvitationListQuery): Promise<InvitationPage> {
    return InvitationPage.of(await this.invitations.list(status, parseLimit(limit, 50, 200), cursor));
  }

  @Post()
  @HttpCode(201)
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(INVITATION_WRITE)
  @ApiBearerAuth('bearer')
  @ApiOperation({
    summary: 'Invite a person by mail',
    description: 'The link in it works once, for seven days. Not for API keys with an expiry or address ranges.',
  })
  @ApiCreatedResponse({ type: InvitationView })
  async invite(
    @Body() body: InviteRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<InvitationView> {
    const invitation = await this.invitations.invite(callerOf(request), body);
    locate(request, response, invitation.id);
    return InvitationView.of(invitation);
  }

  @Post('accept')
  @HttpCode(201)
  @Header('Cache-Control', 'no-store')
  @ForTenant()
  @AddressLimited('redeem')
  @ApiOperation({
    summary: 'Accept an invitation',
    description: 'Makes the user and signs them in. A role that needs a second factor answers as a sign-in would.',
  })
  @ApiCreatedResponse({ type: TokenResponse })
  async accept(
    @Body() { token, name, password, cookie }: AcceptInvitationRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TokenResponse> {
    const pair = await this.acceptance.accept(token, name, password, clientOf(request, cookie === true));
    return this.cookie.answer(request, response, pair);
  }

  @Post(':id/resend')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(INVITATION_WRITE)
  @ApiBearerAuth('bearer')
  @Id()
  @ApiOperation({ summary: 'Send an invitation again', description: 'With a new link; the one before is void.' })
  @ApiOkResponse({ type: InvitationView })
  async resend(@Param('id') id: string, @Req() request: AccessRequest): Promise<InvitationView> {
    return InvitationView.of(await this.invitations.resend(callerOf(request), id));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequiresPermission(INVITATION_WRITE)
  @ApiBearerAuth('bearer')
  @Id()
  @ApiOperation({ summary: 'Revoke an invitation' })
  @ApiNoContentResponse()
  revoke(@Param('id') id: string, @Req() request: AccessRequest): Promise<void> {
    return this.invitations.revoke(callerOf(request), id);
  }
}
