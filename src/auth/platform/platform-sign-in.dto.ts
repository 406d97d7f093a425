import { ApiProperty, ApiPropertyOptional, OmitType, PartialType } from '@nestjs/swagger';
import { IsOptional, IsString, MaxLength, MinLength } from 'class-validator';
import { IsAddress } from '../account/account.dto.js';
import { LoginRequest, TokenResponse } from '../sign-in/sign-in.dto.js';
import { PLATFORM_ROLES } from './platform-permissions.js';
import type { SecondFactor } from './platform-mfa.service.js';

const TEXT = { message: 'must be a text' };
const PASSWORD_LENGTH = { message: 'must be at most 1,024 characters' };

const Text =
  (max: number): PropertyDecorator =>
  (target, name) => {
    for (const decorate of [IsString(TEXT), MaxLength(max, { message: `must be at most ${max} characters` })]) {
      decorate(target, name);
    }
  };
const OptionalText =
  (max: number): PropertyDecorator =>
  (target, name) => {
    for (const decorate of [IsOptional(), Text(max)]) decorate(target, name);
  };

export class PlatformLoginRequest extends OmitType(LoginRequest, ['cookie', 'email', 'password']) {
  @ApiProperty({ example: 'admin@localhost' })
  @IsAddress()
  email: string;

  @ApiProperty({ format: 'password' })
  @IsString(TEXT)
  @MinLength(1, { message: 'must not be empty' })
  @MaxLength(1024, PASSWORD_LENGTH)
  password: string;
}

export class PlatformRefreshRequest {
  @ApiProperty()
  @Text(200)
  refresh_token: string;
}

export class SecondFactorRequest {
  @ApiPropertyOptional({ example: '123456', description: 'Of the authenticator app.' })
  @OptionalText(20)
  code?: string;

  @ApiPropertyOptional({ description: 'In place of `code`. Each works once.' })
  @OptionalText(64)
  recovery_code?: string;

  static of(body: SecondFactorRequest): SecondFactor {
    return { code: body.code, recoveryCode: body.recovery_code };
  }
}

export class PlatformMfaLoginRequest extends SecondFactorRequest {
  @ApiProperty({ description: 'Of the answer to `POST /api/admin/auth/login`.' })
  @Text(200)
  mfa_token: string;
}

export class PlatformEnrolRequest extends SecondFactorRequest {
  @ApiPropertyOptional({ format: 'password', description: 'When signed in; with a code if there is a factor already.' })
  @OptionalText(1024)
  password?: string;

  @ApiPropertyOptional({ description: 'When not: of the answer to `POST /api/admin/auth/login`.' })
  @OptionalText(200)
  mfa_token?: string;
}

export class PlatformConfirmRequest {
  @ApiPropertyOptional({ description: 'While signing in.' })
  @OptionalText(200)
  mfa_token?: string;

  @ApiProperty({ example: '123456', description: 'A code of the new secret.' })
  @Text(20)
  code: string;
}

export class PlatformFactorsRequest extends SecondFactorRequest {
  @ApiProperty({ format: 'password' })
  @IsString(TEXT)
  @MaxLength(1024, PASSWORD_LENGTH)
  password: string;
}

export class PlatformPasswordRequest {
  @ApiProperty({ format: 'password' })
  @IsString(TEXT)
  @MaxLength(1024, PASSWORD_LENGTH)
  current_password: string;

  @ApiProperty({ format: 'password', description: 'At least 10 characters, and none of those that are tried first.' })
  @IsString(TEXT)
  @MaxLength(1024, PASSWORD_LENGTH)
  new_password: string;
}

export class PlatformEnrolResponse {
  @ApiProperty({ example: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP', description: 'Base32, to be typed in.' })
  secret: string;

  @ApiProperty({ example: 'otpauth://totp/…', description: 'For a QR code.' })
  otpauth_uri: string;
}

export class PlatformRecoveryCodes {
  @ApiProperty({ type: [String], description: 'Shown once; each works once.', example: ['ABCD-EFGH-JKLM-NPQR'] })
  recovery_codes: string[];
}

/** With the pair of tokens when it completed a sign-in. */
export class PlatformConfirmResponse extends PartialType(OmitType(TokenResponse, ['csrf_token'])) {
  @ApiProperty({ type: [String], description: 'Shown once; each works once.', example: ['ABCD-EFGH-JKLM-NPQR'] })
  recovery_codes: string[];
}

export class PlatformMe {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ example: 'admin@localhost' })
  email: string;

  @ApiProperty()
  name: string;

  @ApiProperty({ enum: Object.keys(PLATFORM_ROLES) })
  role: string;

  @ApiProperty({ type: [String], example: ['platform-account:manage'] })
  permissions: string[];

  @ApiProperty({ description: 'Then nothing else is open but `POST /api/admin/auth/change-password`.' })
  password_change_required: boolean;

  @ApiProperty()
  mfa_enabled: boolean;

  @ApiProperty({ type: 'integer', description: 'Recovery codes that are left.' })
  recovery_codes: number;
}
