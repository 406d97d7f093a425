import { Body, Controller, Header, HttpCode, Post, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import { AddressLimited } from '../../limits/index.js';
import { PublicOnPlatform, RequiresPlatformPermission } from '../access/access.decorator.js';
import type { AccessRequest, PlatformPrincipal } from '../access/principal.js';
import { CredentialRequired } from '../auth.errors.js';
import { clientOf } from '../sign-in/client.js';
import { TokenResponse } from '../sign-in/sign-in.dto.js';
import { type PlatformAdmin, PlatformAdminStore } from './platform-admin.store.js';
import { PlatformMfaService } from './platform-mfa.service.js';
import { adminOf } from '../access/caller.js';
import {
  PlatformConfirmRequest,
  PlatformConfirmResponse,
  PlatformEnrolRequest,
  PlatformEnrolResponse,
  PlatformFactorsRequest,
  PlatformPasswordRequest,
  PlatformRecoveryCodes,
  SecondFactorRequest,
} from './platform-sign-in.dto.js';
import { PlatformCredentialInvalid } from './platform.errors.js';
import { PlatformSignInService } from './platform-sign-in.service.js';

/** A platform admin's own password and second factor. */
@ApiTags('platform')
@ApiBearerAuth('bearer')
@Controller('api/admin/auth')
export class PlatformAccountController {
  constructor(
    private readonly signIns: PlatformSignInService,
    private readonly mfa: PlatformMfaService,
    private readonly admins: PlatformAdminStore,
  ) {}

  @Post('change-password')
  @HttpCode(204)
  @RequiresPlatformPermission('platform-account:manage', { beforePasswordChange: true })
  @AddressLimited('sign-in')
  @ApiOperation({ summary: "Change a platform admin's password", description: 'Every other device is signed out.' })
  @ApiNoContentResponse()
  async changePassword(@Body() body: PlatformPasswordRequest, @Req() request: AccessRequest): Promise<void> {
    await this.signIns.changePassword(adminOf(request), body.current_password, body.new_password, request.ip);
  }

  @Post('mfa/enrol')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @PublicOnPlatform('platform-account:manage')
  @AddressLimited('sign-in')
  @ApiOperation({
    summary: 'Set up a second factor, or a new one in place of the present',
    description:
      'It is in force once confirmed. Signed in: with the password, and the present factor. Sent here by a sign-in: ' +
      'with its mfa_token.',
  })
  @ApiOkResponse({ type: PlatformEnrolResponse })
  async enrol(@Body() body: PlatformEnrolRequest, @Req() request: AccessRequest): Promise<PlatformEnrolResponse> {
    const admin =
      body.mfa_token === undefined
        ? await this.signIns.provePassword(signedIn(request).id, body.password ?? '', request.ip)
        : await this.signIns.enrolling(body.mfa_token);
    const { secret, uri } = await this.mfa.enrol(admin, SecondFactorRequest.of(body), request.ip);
    return { secret, otpauth_uri: uri };
  }

  @Post('mfa/confirm')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @PublicOnPlatform('platform-account:manage')
  @AddressLimited('sign-in')
  @ApiOperation({
    summary: 'Put a second factor in force with a code of it',
    description: 'Answers the recovery codes, once; with an mfa_token it also completes the sign-in.',
  })
  @ApiOkResponse({ type: PlatformConfirmResponse })
  async confirm(@Body() body: PlatformConfirmRequest, @Req() request: AccessRequest): Promise<PlatformConfirmResponse> {
    if (body.mfa_token === undefined) {
      return { recovery_codes: await this.mfa.confirm(await this.own(request), body.code) };
    }
    const { pair, recoveryCodes } = await this.signIns.signInByEnrolment(body.mfa_token, body.code, clientOf(request));
    return { ...TokenResponse.of(pair), recovery_codes: recoveryCodes };
  }

  @Post('mfa/recovery-codes')
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @RequiresPlatformPermission('platform-account:manage')
  @AddressLimited('sign-in')
  @ApiOperation({ summary: 'New recovery codes in place of the present ones' })
  @ApiOkResponse({ type: PlatformRecoveryCodes })
  async recoveryCodes(
    @Body() body: PlatformFactorsRequest,
    @Req() request: AccessRequest,
  ): Promise<PlatformRecoveryCodes> {
    const admin = await this.signIns.provePassword(adminOf(request).id, body.password, request.ip);
    const given = SecondFactorRequest.of(body);
    return { recovery_codes: await this.mfa.renewRecoveryCodes(admin, given, request.ip) };
  }

  private async own(request: AccessRequest): Promise<PlatformAdmin> {
    const admin = await this.admins.byId(signedIn(request).id);
    if (!admin) throw new PlatformCredentialInvalid();
    return admin;
  }
}

/** On a route that is open to all. @throws CredentialRequired */
function signedIn(request: AccessRequest): PlatformPrincipal {
  if (!request.admin) throw new CredentialRequired();
  return request.admin;
}
