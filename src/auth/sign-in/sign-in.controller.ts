import { Body, Controller, Get, Header, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { ApiTenantHeader } from '../../http/index.js';
import { AddressLimited } from '../../limits/index.js';
import { CredentialCodec } from '../../tenancy/index.js';
import { ForTenant, RequiresPermission } from '../access/access.decorator.js';
import { ownerOf, personOf } from '../access/caller.js';
import { ACCOUNT_MANAGE } from '../access/permissions.js';
import type { AccessRequest } from '../access/principal.js';
import { AccountService } from '../account/account.service.js';
import { RefreshRefused } from '../auth.errors.js';
import { clientOf } from './client.js';
import { RefreshCookie } from './refresh.cookie.js';
import { LoginRequest, RefreshRequest, TokenResponse } from './sign-in.dto.js';
import { RefreshService } from './refresh.service.js';
import { SignInService } from './sign-in.service.js';
import { SignOutService } from './sign-out.service.js';

@ApiTags('auth')
@ApiTenantHeader()
@Controller('api/auth')
export class SignInController {
  constructor(
    private readonly signIns: SignInService,
    private readonly refreshes: RefreshService,
    private readonly signOuts: SignOutService,
    private readonly accounts: AccountService,
    private readonly cookie: RefreshCookie,
    private readonly credentials: CredentialCodec,
  ) {}

  @Post('login')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @ForTenant(undefined, { whileSuspended: true })
  @AddressLimited('sign-in')
  @ApiOperation({ summary: 'Sign in with e-mail address and password' })
  @ApiOkResponse({ type: TokenResponse })
  async login(
    @Body() body: LoginRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TokenResponse> {
    const pair = await this.signIns.signIn(body.email, body.password, clientOf(request, body.cookie === true));
    return this.cookie.answer(request, response, pair);
  }

  @Post('refresh')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @ForTenant(undefined, { whileSuspended: true })
  @AddressLimited('refresh')
  @ApiOperation({
    summary: 'Trade a refresh token for a new pair of tokens',
    description: '401 `sign_in_again` once the role needs a second factor and there is none; the token stays good.',
  })
  @ApiOkResponse({ type: TokenResponse })
  async refresh(
    @Body() body: RefreshRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TokenResponse> {
    const pair = await this.refreshes.refresh(this.tokenOf(body, request), request.ip);
    return this.cookie.answer(request, response, pair);
  }

  @Post('logout')
  @HttpCode(204)
  @ForTenant(undefined, { whileSuspended: true })
  @AddressLimited('refresh')
  @ApiOperation({ summary: 'Sign this device out', description: 'The refresh token and its access tokens end.' })
  @ApiNoContentResponse()
  async logout(
    @Body() body: RefreshRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<void> {
    await this.signOuts.signOut(this.tokenOf(body, request));
    if (this.cookie.read(request)) this.cookie.clear(request, response);
  }

  @Post('logout-all')
  @HttpCode(204)
  @RequiresPermission(ACCOUNT_MANAGE, { whileSuspended: true })
  @ApiBearerAuth('bearer')
  @ApiOperation({ summary: 'Sign out everywhere' })
  @ApiNoContentResponse()
  async logoutAll(@Req() request: AccessRequest, @Res({ passthrough: true }) response: Response): Promise<void> {
    await this.signOuts.signOutEverywhere(ownerOf(request).id);
    if (this.cookie.read(request)) this.cookie.clear(request, response);
  }

  @Get('me')
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(ACCOUNT_MANAGE, { whileSuspended: true })
  @ApiBearerAuth('bearer')
  @ApiOperation({ summary: 'Who is signed in, and what they may do' })
  @ApiOkResponse({
    schema: {
      type: 'object',
      example: {
        id: '…',
        name: 'Olivia Owner',
        role: 'owner',
        email: 'owner@acme.example',
        email_verified: true,
        pending_email: null,
        mfa_enabled: false,
        permissions: ['account:manage'],
      },
    },
  })
  async me(@Req() request: AccessRequest): Promise<object> {
    const { id, name, role, permissions, impersonator } = personOf(request);
    const profile = await this.accounts.profile(id);
    return { id, name, role, ...profile, permissions: [...permissions].sort(), ...(impersonator && { impersonator }) };
  }

  /** From the body; or from the cookie, and then with the proof that our own page asks. */
  private tokenOf(body: RefreshRequest, request: AccessRequest): string {
    if (body.refresh_token !== undefined) return body.refresh_token;
    const token = this.cookie.read(request);
    const opened = token === undefined ? undefined : this.credentials.open('refresh', token);
    if (token === undefined || !opened) throw new RefreshRefused();
    this.cookie.check(request, opened.subjectId);
    return token;
  }
}
