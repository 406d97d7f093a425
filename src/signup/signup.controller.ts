import { Body, Controller, Get, Header, Headers, HttpCode, Param, Post, Req, Res } from '@nestjs/common';
import {
  ApiAcceptedResponse,
  ApiBody,
  ApiCreatedResponse,
  ApiHeader,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiTags,
} from '@nestjs/swagger';
import type { Response } from 'express';
import { type AccessRequest, clientOf, PublicOnPlatform } from '../auth/index.js';
import { AddressLimited } from '../limits/index.js';
import { SignupConfirmation } from './signup.confirmation.js';
import {
  ACCEPTED,
  ConfirmBody,
  ResendBody,
  SignedUpView,
  SignupAccepted,
  SignupBody,
  SignupView,
} from './signup.dto.js';
import { SignupService } from './signup.service.js';

const EXAMPLE = {
  company: 'Umbrella Ltd',
  slug: 'umbrella-signup',
  email: 'ada@umbrella.example',
  password: 'seven blue ladders',
  name: 'Ada Owner',
};

/** For those who have no account yet. Asked where no tenant is named. */
@ApiTags('signup')
@Controller('api/signup')
export class SignupController {
  constructor(
    private readonly signups: SignupService,
    private readonly confirmation: SignupConfirmation,
  ) {}

  @Post()
  @HttpCode(202)
  @Header('Cache-Control', 'no-store')
  @PublicOnPlatform()
  @AddressLimited('sign-up')
  @ApiOperation({
    summary: 'Sign up',
    description:
      'Answers the same whether the mail address is known or not; a mail has the link that makes the tenant. A slug ' +
      'that is taken is a 409 with `suggestions`.',
  })
  @ApiBody({ type: SignupBody, examples: { 'without an invite': { value: EXAMPLE } } })
  @ApiAcceptedResponse({ type: SignupAccepted })
  async request(@Body() body: SignupBody): Promise<SignupAccepted> {
    await this.signups.request(body);
    return ACCEPTED;
  }

  @Post('resend')
  @HttpCode(202)
  @Header('Cache-Control', 'no-store')
  @PublicOnPlatform()
  @AddressLimited('mail')
  @ApiOperation({
    summary: 'Have the mail of a sign-up sent again',
    description:
      'With a new link; the one before is void. Without `slug` one mail has the links of all sign-ups of the address that ' +
      'wait. It goes to that address only, and the answer is the same whether anybody has signed up or not.',
  })
  @ApiAcceptedResponse({ type: SignupAccepted })
  resend(@Body() { email, slug }: ResendBody): SignupAccepted {
    this.signups.resend(email, slug ?? undefined);
    return ACCEPTED;
  }

  @Post('confirm')
  @Header('Cache-Control', 'no-store')
  @PublicOnPlatform()
  @AddressLimited('redeem')
  @ApiOperation({
    summary: 'Follow the link: the tenant is made, and its owner is signed in',
    description:
      'Repeated, it makes nothing twice. 202 when the tenant takes longer than two seconds: look at Location with the ' +
      'token in X-Signup-Token until it is `ready`, then confirm again.',
  })
  @ApiCreatedResponse({ type: SignedUpView })
  @ApiAcceptedResponse({ type: SignupView })
  async confirm(
    @Body() { token }: ConfirmBody,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<SignedUpView> {
    const confirmation = await this.confirmation.confirm(token, clientOf(request));
    response.status(confirmation.pair ? 201 : 202);
    response.setHeader('Location', `/api/signup/${confirmation.id}`);
    if (!confirmation.pair) response.setHeader('Retry-After', '1');
    return SignedUpView.of(confirmation);
  }

  @Get(':signup')
  @Header('Cache-Control', 'no-store')
  @PublicOnPlatform()
  @ApiOperation({ summary: 'How far a sign-up is' })
  @ApiParam({ name: 'signup', description: 'As in the Location of the confirmation.', format: 'uuid' })
  @ApiHeader({ name: 'X-Signup-Token', required: true, description: 'From the link in the mail.' })
  @ApiOkResponse({ type: SignupView })
  async state(@Param('signup') id: string, @Headers('x-signup-token') token: string | undefined): Promise<SignupView> {
    return SignupView.of(await this.confirmation.state(id, token ?? ''));
  }
}
