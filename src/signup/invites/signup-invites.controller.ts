import { Body, Controller, Delete, Get, Header, HttpCode, Param, Post, Query, Req } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiCreatedResponse,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import { type AccessRequest, adminOf, RequiresPlatformPermission } from '../../auth/index.js';
import { isUuid, parseLimit } from '../../common/index.js';
import { UnknownInvite } from '../signup.errors.js';
import { SignupInvites } from './signup-invites.js';
import {
  CreatedSignupInvite,
  InviteBody,
  InviteListQuery,
  SignupInvitePage,
  SignupInviteView,
} from './signup-invite.dto.js';

@ApiTags('signup')
@ApiBearerAuth('bearer')
@Controller('api/admin/signup-invites')
export class SignupInvitesController {
  constructor(private readonly invites: SignupInvites) {}

  @Post()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:write')
  @ApiOperation({ summary: 'Make a code that lets one customer sign up' })
  @ApiCreatedResponse({ type: CreatedSignupInvite })
  async create(@Body() body: InviteBody, @Req() request: AccessRequest): Promise<CreatedSignupInvite> {
    const { invite, code } = await this.invites.create(adminOf(request).id, { ...body, days: body.days ?? 30 });
    return { ...SignupInviteView.of(invite), code };
  }

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('tenant:read')
  @ApiOperation({ summary: 'Invites to sign up, newest first' })
  @ApiOkResponse({ type: SignupInvitePage })
  async list(@Query() { limit, cursor }: InviteListQuery): Promise<SignupInvitePage> {
    const page = await this.invites.list(parseLimit(limit, 50, 200), cursor);
    return { ...page, items: page.items.map((invite) => SignupInviteView.of(invite)) };
  }

  @Delete(':id')
  @HttpCode(204)
  @RequiresPlatformPermission('tenant:write')
  @ApiOperation({ summary: 'Take a code back that was not used' })
  @ApiParam({ name: 'id', format: 'uuid' })
  @ApiNoContentResponse()
  async revoke(@Param('id') id: string): Promise<void> {
    if (!isUuid(id)) throw new UnknownInvite();
    await this.invites.revoke(id);
  }
}
