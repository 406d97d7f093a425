import { Body, Controller, Header, HttpCode, Patch, Post, Req } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBearerAuth,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiTags,
} from '@nestjs/swagger';
import { ApiTenantHeader } from '../../http/index.js';
import { AddressLimited } from '../../limits/index.js';
import { ForTenant, RequiresPermission } from '../access/access.decorator.js';
import { ACCOUNT_MANAGE } from '../access/permissions.js';
import type { AccessRequest } from '../access/principal.js';
import { ownerOf, personOf } from '../access/caller.js';
import { leftSignal } from '../sign-in/client.js';
import {
  ACCEPTED,
  AcceptedResponse,
  ChangeEmailRequest,
  ChangePasswordRequest,
  EmailRequest,
  ResetPasswordRequest,
  UpdateMeRequest,
  VerifyEmailRequest,
} from './account.dto.js';
import { AccountService } from './account.service.js';
import { PasswordsService } from './passwords.service.js';

@ApiTags('account')
@ApiTenantHeader()
@Controller('api/auth')
export class AccountController {
  constructor(
    private readonly accounts: AccountService,
    private readonly passwords: PasswordsService,
  ) {}

  @Patch('me')
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(ACCOUNT_MANAGE)
  @ApiBearerAuth('bearer')
  @ApiOperation({ summary: 'Change how you are called' })
  @ApiOkResponse({ schema: { type: 'object', example: { id: '…', name: 'Olivia Owner', role: 'owner' } } })
  async rename(@Body() body: UpdateMeRequest, @Req() request: AccessRequest): Promise<object> {
    const { id, role } = personOf(request);
    await this.accounts.rename(id, body.name);
    return { id, name: body.name, role };
  }

  @Post('change-password')
  @HttpCode(204)
  @RequiresPermission(ACCOUNT_MANAGE)
  @AddressLimited('sign-in')
  @ApiBearerAuth('bearer')
  @ApiOperation({
    summary: 'Change your password',
    description: 'Signs out every other device. Wrong passwords count as failed attempts to sign in.',
  })
  @ApiNoContentResponse()
  async changePassword(@Body() body: ChangePasswordRequest, @Req() request: AccessRequest): Promise<void> {
    const owner = ownerOf(request);
    await this.passwords.change(owner, body.current_password, body.new_password, leftSignal(request));
  }

  @Post('forgot-password')
  @HttpCode(202)
  @Header('Cache-Control', 'no-store')
  @ForTenant()
  @AddressLimited('mail')
  @ApiOperation({
    summary: 'Ask for a link to set a new password',
    description: 'The answer is the same whether or not there is such an account.',
  })
  @ApiAcceptedResponse({ type: AcceptedResponse })
  async forgotPassword(@Body() body: EmailRequest): Promise<AcceptedResponse> {
    await this.passwords.forgot(body.email);
    return ACCEPTED;
  }

  @Post('reset-password')
  @HttpCode(204)
  @ForTenant()
  @AddressLimited('redeem')
  @ApiOperation({
    summary: 'Set a new password with the token of a mail',
    description: 'Works once, within the hour, and signs out every device. The second factor stays.',
  })
  @ApiNoContentResponse()
  async resetPassword(@Body() body: ResetPasswordRequest, @Req() request: AccessRequest): Promise<void> {
    await this.passwords.reset(body.token, body.new_password, leftSignal(request));
  }

  @Post('change-email')
  @HttpCode(202)
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(ACCOUNT_MANAGE)
  @AddressLimited('sign-in')
  @ApiBearerAuth('bearer')
  @ApiOperation({
    summary: 'Ask for another e-mail address',
    description:
      'It takes the place of the present one once the link sent to it comes back; until then it is `pending_email`. ' +
      'The present address is told. Given again, the present address withdraws it.',
  })
  @ApiAcceptedResponse({ type: AcceptedResponse })
  async changeEmail(@Body() body: ChangeEmailRequest, @Req() request: AccessRequest): Promise<AcceptedResponse> {
    await this.accounts.changeEmail(ownerOf(request), body.email, body.current_password);
    return { message: 'A mail is on its way.' };
  }

  @Post('verify-email/send')
  @HttpCode(202)
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(ACCOUNT_MANAGE)
  @AddressLimited('mail')
  @ApiBearerAuth('bearer')
  @ApiOperation({ summary: 'Ask for a mail that verifies your e-mail address' })
  @ApiAcceptedResponse({ type: AcceptedResponse })
  async sendVerification(@Req() request: AccessRequest): Promise<AcceptedResponse> {
    await this.accounts.sendVerification(ownerOf(request).id);
    return { message: 'A mail is on its way.' };
  }

  @Post('verify-email')
  @HttpCode(204)
  @ForTenant()
  @AddressLimited('redeem')
  @ApiOperation({
    summary: 'Verify an e-mail address with the token of a mail',
    description:
      'Works for 24 hours. A changed address is in force from then on; one that somebody else asked for takes the ' +
      'password of the account as well, once there is one.',
  })
  @ApiNoContentResponse()
  async verifyEmail(@Body() body: VerifyEmailRequest): Promise<void> {
    await this.accounts.verifyEmail(body.token, body.password);
  }
}
