import { Body, Controller, Get, Header, HttpCode, Post, Query, Redirect, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiQuery, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { AppError } from '../../common/index.js';
import { ApiTenantHeader } from '../../http/index.js';
import { AddressLimited } from '../../limits/index.js';
import { TenantSettings } from '../../settings/index.js';
import { ForTenant } from '../access/access.decorator.js';
import type { AccessRequest } from '../access/principal.js';
import { RefreshCookie } from '../sign-in/refresh.cookie.js';
import { clientOf } from '../sign-in/client.js';
import { TokenResponse } from '../sign-in/sign-in.dto.js';
import { SsoStateCookie } from './sso-state.cookie.js';
import { SsoRedeemRequest, SsoStartQuery, SsoView } from './sso.dto.js';
import { SsoProvider } from './sso.provider.js';
import { SsoService } from './sso.service.js';
import { SSO_LABEL } from './sso.settings.js';

const SEE_OTHER = 303;
/** The code in the address of the provider's answer must reach nobody else. */
const NO_REFERRER = ['Referrer-Policy', 'no-referrer'] as const;

@ApiTags('auth')
@ApiTenantHeader()
@Controller('api/auth/sso')
export class SsoController {
  constructor(
    private readonly sso: SsoService,
    private readonly provider: SsoProvider,
    private readonly state: SsoStateCookie,
    private readonly cookie: RefreshCookie,
    private readonly settings: TenantSettings,
  ) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @ForTenant(undefined, { whileSuspended: true })
  @AddressLimited('anybody')
  @ApiOperation({ summary: 'Whether and where to sign in with single sign-on' })
  @ApiOkResponse({ type: SsoView })
  view(): SsoView {
    return {
      enabled: this.provider.configured,
      label: this.settings.get(SSO_LABEL),
      start_url: this.sso.startUrl,
      redirect_uri: this.sso.redirectUri,
    };
  }

  @Get('start')
  @Redirect()
  @Header('Cache-Control', 'no-store')
  @ForTenant(undefined, { whileSuspended: true })
  @AddressLimited('sign-in')
  @ApiOperation({
    summary: "Begin a sign-in at the tenant's provider",
    description:
      'For a browser to be sent to. It comes back to /sso of your front end: #code=… for redeem, or #error=….',
  })
  @ApiResponse({ status: SEE_OTHER, description: 'To the provider.' })
  async start(
    @Query() { code_challenge }: SsoStartQuery,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<{ url: string; statusCode: number }> {
    const { url, state } = await this.sso.begin(code_challenge);
    this.state.set(request, response, state);
    return { url, statusCode: SEE_OTHER };
  }

  @Get('callback')
  @Redirect()
  @Header('Cache-Control', 'no-store')
  @Header(...NO_REFERRER)
  @ForTenant(undefined, { whileSuspended: true })
  @AddressLimited('sign-in')
  @ApiOperation({ summary: 'Where the provider sends the browser back to' })
  @ApiQuery({ name: 'state', required: false })
  @ApiQuery({ name: 'code', required: false })
  @ApiQuery({ name: 'error', required: false })
  @ApiResponse({ status: SEE_OTHER, description: 'To your front end, with #code=… or #error=….' })
  async callback(
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<{ url: string; statusCode: number }> {
    this.state.clear(request, response);
    try {
      const state = this.state.open(request, request.query['state']);
      return { url: await this.sso.complete(state, queryOf(request)), statusCode: SEE_OTHER };
    } catch (error) {
      if (!(error instanceof AppError)) throw error;
      return { url: this.sso.refusal(error, clientOf(request)), statusCode: SEE_OTHER };
    }
  }

  @Post('redeem')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @ForTenant(undefined, { whileSuspended: true })
  @AddressLimited('sign-in')
  @ApiOperation({
    summary: 'Trade the code of a single sign-on for tokens',
    description:
      'Works once, within a minute. 401 `mfa_required` as in a sign-in with password, when you have a second factor here.',
  })
  @ApiOkResponse({ type: TokenResponse })
  async redeem(
    @Body() body: SsoRedeemRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TokenResponse> {
    const client = clientOf(request, body.cookie === true);
    const pair = await this.sso.redeem(body.code, body.code_verifier, client);
    return this.cookie.answer(request, response, pair);
  }
}

function queryOf({ originalUrl }: AccessRequest): string {
  const at = originalUrl.indexOf('?');
  return at === -1 ? '' : originalUrl.slice(at);
}
