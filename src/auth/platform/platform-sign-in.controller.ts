import { Body, Controller, Get, Header, HttpCode, Post, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { AddressLimited } from '../../limits/index.js';
import { PublicOnPlatform, RequiresPlatformPermission } from '../access/access.decorator.js';
import { adminOf } from '../access/caller.js';
import type { AccessRequest } from '../access/principal.js';
import { clientOf } from '../sign-in/client.js';
import { TokenResponse } from '../sign-in/sign-in.dto.js';
import { ImpersonationService } from './impersonation.service.js';
import { PlatformAdminStore } from './platform-admin.store.js';
import {
  PlatformLoginRequest,
  PlatformMe,
  PlatformMfaLoginRequest,
  PlatformRefreshRequest,
  SecondFactorRequest,
} from './platform-sign-in.dto.js';
import { PlatformSignInService } from './platform-sign-in.service.js';
import { PlatformRefreshService } from './platform-refresh.service.js';
import { PlatformCredentialInvalid } from './platform.errors.js';

@ApiTags('platform')
@Controller('api/admin/auth')
export class PlatformSignInController {
  constructor(
    private readonly signIns: PlatformSignInService,
    private readonly sessions: PlatformRefreshService,
    private readonly admins: PlatformAdminStore,
    private readonly impersonations: ImpersonationService,
  ) {}

  @Post('login')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @PublicOnPlatform()
  @AddressLimited('sign-in')
  @ApiOperation({
    summary: 'Sign in as a platform admin',
    description: 'Outside demo mode the answer to a right password is a 401 with an `mfa_token` for the second step.',
  })
  @ApiOkResponse({ type: TokenResponse })
  async login(@Body() body: PlatformLoginRequest, @Req() request: AccessRequest): Promise<TokenResponse> {
    return TokenResponse.of(await this.signIns.signIn(body.email, body.password, clientOf(request)));
  }

  @Post('login/mfa')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @PublicOnPlatform()
  @AddressLimited('sign-in')
  @ApiOperation({ summary: 'Complete a sign-in with the second factor' })
  @ApiOkResponse({ type: TokenResponse })
  async loginMfa(@Body() body: PlatformMfaLoginRequest, @Req() request: AccessRequest): Promise<TokenResponse> {
    const given = SecondFactorRequest.of(body);
    return TokenResponse.of(await this.signIns.signInWithSecondFactor(body.mfa_token, given, clientOf(request)));
  }

  @Post('refresh')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @PublicOnPlatform()
  @AddressLimited('refresh')
  @ApiOperation({ summary: "Trade a platform admin's refresh token for a new pair of tokens" })
  @ApiOkResponse({ type: TokenResponse })
  async refresh(@Body() body: PlatformRefreshRequest, @Req() request: AccessRequest): Promise<TokenResponse> {
    return TokenResponse.of(await this.sessions.refresh(body.refresh_token, request.ip));
  }

  @Post('logout')
  @HttpCode(204)
  @PublicOnPlatform()
  @AddressLimited('refresh')
  @ApiOperation({ summary: 'Sign this device of a platform admin out' })
  @ApiNoContentResponse()
  async logout(@Body() body: PlatformRefreshRequest): Promise<void> {
    await this.sessions.signOut(body.refresh_token);
  }

  @Post('logout-all')
  @HttpCode(204)
  @RequiresPlatformPermission('platform-account:manage')
  @ApiBearerAuth('bearer')
  @ApiOperation({ summary: 'Sign out everywhere, and end the own impersonations' })
  @ApiNoContentResponse()
  async logoutAll(@Req() request: AccessRequest): Promise<void> {
    const { id } = adminOf(request);
    await this.sessions.signOutEverywhere(id);
    await this.impersonations.endAllOf(id);
  }

  @Get('me')
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('platform-account:manage', { beforePasswordChange: true })
  @ApiBearerAuth('bearer')
  @ApiOperation({ summary: 'Which platform admin is signed in, and what they may do' })
  @ApiOkResponse({ type: PlatformMe })
  async me(@Req() request: AccessRequest): Promise<PlatformMe> {
    const { id, permissions } = adminOf(request);
    const admin = await this.admins.byId(id);
    if (!admin) throw new PlatformCredentialInvalid();
    return {
      id,
      email: admin.email,
      name: admin.name,
      role: admin.role,
      permissions: [...permissions].sort(),
      password_change_required: admin.must_change_password,
      mfa_enabled: admin.mfa_enabled_at !== null,
      recovery_codes: admin.recovery_codes,
    };
  }
}
