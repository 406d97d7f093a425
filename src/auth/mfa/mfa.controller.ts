import { Body, Controller, Header, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiBearerAuth, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { Response } from 'express';
import { ValidationFailed } from '../../common/index.js';
import { ApiTenantHeader } from '../../http/index.js';
import { AddressLimited } from '../../limits/index.js';
import { ForTenant, RequiresPermission } from '../access/access.decorator.js';
import { ACCOUNT_MANAGE } from '../access/permissions.js';
import type { AccessRequest } from '../access/principal.js';
import { CredentialRequired } from '../auth.errors.js';
import { RefreshCookie } from '../sign-in/refresh.cookie.js';
import { ownerOf } from '../access/caller.js';
import { clientOf } from '../sign-in/client.js';
import { TokenResponse } from '../sign-in/sign-in.dto.js';
import {
  BothFactorsRequest,
  ConfirmRequest,
  ConfirmResponse,
  EnrolRequest,
  EnrolResponse,
  LoginMfaRequest,
  RecoveryCodesResponse,
} from './mfa.dto.js';
import { MfaService } from './mfa.service.js';
import type { FactorGiven } from './second-factors.js';

@ApiTags('account')
@ApiTenantHeader()
@Controller('api/auth')
export class MfaController {
  constructor(
    private readonly mfa: MfaService,
    private readonly cookie: RefreshCookie,
  ) {}

  @Post('login/mfa')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @ForTenant(undefined, { whileSuspended: true })
  @AddressLimited('sign-in')
  @ApiOperation({
    summary: 'The second step of a sign-in',
    description: 'Five wrong codes, or five minutes, and the sign-in starts over.',
  })
  @ApiOkResponse({ type: TokenResponse })
  async login(
    @Body() body: LoginMfaRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TokenResponse> {
    const pair = await this.mfa.signIn(body.mfa_token, givenIn(body), clientOf(request, body.cookie === true));
    return this.cookie.answer(request, response, pair);
  }

  @Post('mfa/enrol')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @ForTenant(ACCOUNT_MANAGE, { whileSuspended: true })
  @AddressLimited('sign-in')
  @ApiBearerAuth('bearer')
  @ApiOperation({
    summary: 'Set up a second factor',
    description:
      'It is in force once confirmed. Signed in: with the password. Sent here by a sign-in: with its mfa_token.',
  })
  @ApiOkResponse({ type: EnrolResponse })
  async enrol(@Body() body: EnrolRequest, @Req() request: AccessRequest): Promise<EnrolResponse> {
    const { secret, otpauthUri } =
      body.mfa_token === undefined
        ? await this.mfa.enrolWithPassword(signedIn(request).id, required(body.password, '/password'))
        : await this.mfa.enrolWithChallenge(body.mfa_token);
    return { secret, otpauth_uri: otpauthUri };
  }

  @Post('mfa/confirm')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @ForTenant(ACCOUNT_MANAGE, { whileSuspended: true })
  @AddressLimited('sign-in')
  @ApiBearerAuth('bearer')
  @ApiOperation({
    summary: 'Put the second factor in force with a code of it',
    description: 'Answers the recovery codes, once; with an mfa_token it also completes the sign-in.',
  })
  @ApiOkResponse({ type: ConfirmResponse })
  async confirm(
    @Body() body: ConfirmRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<ConfirmResponse | RecoveryCodesResponse> {
    if (body.mfa_token === undefined) {
      return { recovery_codes: await this.mfa.confirm(signedIn(request).id, body.code) };
    }
    const client = clientOf(request, body.cookie === true);
    const { pair, recoveryCodes } = await this.mfa.confirmWithChallenge(body.mfa_token, body.code, client);
    return { ...this.cookie.answer(request, response, pair), recovery_codes: recoveryCodes };
  }

  @Post('mfa/disable')
  @HttpCode(204)
  @RequiresPermission(ACCOUNT_MANAGE)
  @AddressLimited('sign-in')
  @ApiBearerAuth('bearer')
  @ApiOperation({
    summary: 'Give the second factor up',
    description: "409 when the tenant's setting `auth.mfa_roles` demands one of your role.",
  })
  @ApiNoContentResponse()
  async disable(@Body() body: BothFactorsRequest, @Req() request: AccessRequest): Promise<void> {
    await this.mfa.disable(ownerOf(request).id, body.password, givenIn(body));
  }

  @Post('mfa/recovery-codes')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(ACCOUNT_MANAGE)
  @AddressLimited('sign-in')
  @ApiBearerAuth('bearer')
  @ApiOperation({ summary: 'Make new recovery codes', description: 'Those before are void.' })
  @ApiOkResponse({ type: RecoveryCodesResponse })
  async recoveryCodes(@Body() body: BothFactorsRequest, @Req() request: AccessRequest): Promise<RecoveryCodesResponse> {
    const codes = await this.mfa.newRecoveryCodes(ownerOf(request).id, body.password, givenIn(body));
    return { recovery_codes: codes };
  }
}

function signedIn(request: AccessRequest) {
  if (!request.principal) throw new CredentialRequired();
  return ownerOf(request);
}

function required(value: string | undefined, pointer: string): string {
  if (value === undefined) throw new ValidationFailed([{ pointer, detail: 'must be given' }]);
  return value;
}

function givenIn({ code, recovery_code: recoveryCode }: { code?: string; recovery_code?: string }): FactorGiven {
  if ((code === undefined) === (recoveryCode === undefined)) {
    throw new ValidationFailed([{ pointer: '/code', detail: 'must be given, or recovery_code in its place' }]);
  }
  return code === undefined ? { recoveryCode: required(recoveryCode, '/recovery_code') } : { code };
}
