import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, Matches } from 'class-validator';
import { IsEmailAddress, IsPassword, IsPersonName, IsToken, TokenResponse } from '../auth/index.js';
import { PLANS } from '../tenant/index.js';
import type { Confirmation, SignupState } from './signup.confirmation.js';

const STATES = ['unconfirmed', 'provisioning', 'failed', 'ready'];

export class SignupBody {
  @ApiProperty({ example: 'Umbrella Ltd', maxLength: 200 })
  @Matches(/^(?=.*\S)[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}]{1,200}$/u, {
    message: 'must be a text of 1 to 200 characters without line breaks',
  })
  company: string;

  @ApiProperty({ example: 'umbrella-signup', description: 'A DNS label. It is held for an hour.' })
  @IsString({ message: 'must be a DNS label' })
  slug: string;

  @ApiProperty({ example: 'ada@umbrella.example', format: 'email' })
  @IsEmailAddress()
  email: string;

  @ApiProperty({ example: 'seven blue ladders', format: 'password', description: 'In force with the link.' })
  @IsPassword()
  password: string;

  @ApiPropertyOptional({ example: 'Ada Owner', maxLength: 100 })
  @IsOptional()
  @IsPersonName()
  name?: string;

  @ApiPropertyOptional({ enum: PLANS, description: 'One of SIGNUP_PLAN, or that of the invite.', example: 'free' })
  @IsOptional()
  @IsIn(PLANS, { message: `must be one of ${PLANS.join(', ')}` })
  plan?: string;

  @ApiPropertyOptional({ description: 'A code, where SIGNUP=invite asks for one.' })
  @IsOptional()
  @IsToken()
  invite?: string;
}

export class ResendBody {
  @ApiProperty({ example: 'ada@umbrella.example', format: 'email' })
  @IsEmailAddress()
  email: string;

  @ApiPropertyOptional({
    example: 'umbrella-signup',
    description: 'Of the sign-up that is meant; all that wait if left out.',
  })
  @IsOptional()
  @IsString({ message: 'must be a DNS label' })
  slug?: string;
}

export class ConfirmBody {
  @ApiProperty({ description: 'From the link in the mail.' })
  @IsToken()
  token: string;
}

export class SignupAccepted {
  @ApiProperty({ example: 'A mail is on its way. Follow its link within the hour.' })
  message: string;
}

/** The same for everybody. */
export const ACCEPTED: SignupAccepted = { message: 'A mail is on its way. Follow its link within the hour.' };

export class SignupView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ example: 'umbrella', description: 'The slug of the tenant, or the one that is held.' })
  tenant: string;

  @ApiProperty({ enum: STATES })
  status: string;

  @ApiProperty({ example: 'http://umbrella.localhost:8001/', description: "The tenant's own address." })
  url: string;

  static of({ id, slug, status, url }: SignupState): SignupView {
    return { id, tenant: slug, status, url };
  }
}

export class SignedUpView extends SignupView {
  @ApiPropertyOptional({ description: 'For `Authorization: Bearer …`. With the refresh token, once it is ready.' })
  access_token?: string;

  @ApiPropertyOptional({ description: 'Works once.' })
  refresh_token?: string;

  @ApiPropertyOptional({ example: 'Bearer' })
  token_type?: string;

  @ApiPropertyOptional({ example: 900, description: 'Life of the access token in seconds.' })
  expires_in?: number;

  static override of(confirmation: Confirmation): SignedUpView {
    const { pair } = confirmation;
    return { ...SignupView.of(confirmation), ...(pair && TokenResponse.of(pair)) };
  }
}
