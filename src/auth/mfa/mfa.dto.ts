import { ApiProperty } from '@nestjs/swagger';
import { IsBoolean, IsOptional, IsString, MaxLength } from 'class-validator';
import { IsPassword, IsToken } from '../account/account.dto.js';
import { TokenResponse } from '../sign-in/sign-in.dto.js';

const IsCode = () => (target: object, property: string) => {
  IsString({ message: 'must be a text' })(target, property);
  MaxLength(64, { message: 'must be at most 64 characters' })(target, property);
};

const CODE = { example: '123456', description: 'Of the authenticator app.' };
const RECOVERY_CODE = {
  required: false,
  example: 'ABCD-EFGH-JKLM-NPQR',
  description: 'In place of `code`, when the app is out of reach. Works once.',
};
const MFA_TOKEN = 'From the answer to a sign-in with code `mfa_required` or `mfa_enrolment_required`.';

export class EnrolRequest {
  @ApiProperty({ required: false, format: 'password', description: 'When signed in.' })
  @IsOptional()
  @IsPassword()
  password?: string;

  @ApiProperty({ required: false, description: `When not. ${MFA_TOKEN}` })
  @IsOptional()
  @IsToken()
  mfa_token?: string;
}

export class EnrolResponse {
  @ApiProperty({ example: 'JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP', description: 'Base32, to be typed in.' })
  secret: string;

  @ApiProperty({ example: 'otpauth://totp/…', description: 'For a QR code.' })
  otpauth_uri: string;
}

export class ConfirmRequest {
  @ApiProperty(CODE)
  @IsCode()
  code: string;

  @ApiProperty({ required: false, description: `When not signed in. ${MFA_TOKEN}` })
  @IsOptional()
  @IsToken()
  mfa_token?: string;

  @ApiProperty({ required: false, default: false, description: 'As for a sign-in, with `mfa_token`.' })
  @IsOptional()
  @IsBoolean({ message: 'must be true or false' })
  cookie?: boolean;
}

export class RecoveryCodesResponse {
  @ApiProperty({ type: [String], description: 'Shown once; each works once.', example: ['ABCD-EFGH-JKLM-NPQR'] })
  recovery_codes: string[];
}

/** With the pair of tokens when it completed a sign-in. */
export class ConfirmResponse extends TokenResponse {
  @ApiProperty({ required: false })
  declare access_token: string;

  @ApiProperty({ required: false, example: 'Bearer' })
  declare token_type: 'Bearer';

  @ApiProperty({ required: false, example: 900, description: 'Life of the access token in seconds.' })
  declare expires_in: number;

  @ApiProperty({ type: [String], description: 'Shown once; each works once.', example: ['ABCD-EFGH-JKLM-NPQR'] })
  recovery_codes: string[];
}

export class LoginMfaRequest {
  @ApiProperty({ description: MFA_TOKEN })
  @IsToken()
  mfa_token: string;

  @ApiProperty({ ...CODE, required: false })
  @IsOptional()
  @IsCode()
  code?: string;

  @ApiProperty(RECOVERY_CODE)
  @IsOptional()
  @IsCode()
  recovery_code?: string;

  @ApiProperty({ required: false, default: false, description: 'As for POST /api/auth/login.' })
  @IsOptional()
  @IsBoolean({ message: 'must be true or false' })
  cookie?: boolean;
}

export class BothFactorsRequest {
  @ApiProperty({ format: 'password' })
  @IsPassword()
  password: string;

  @ApiProperty({ ...CODE, required: false })
  @IsOptional()
  @IsCode()
  code?: string;

  @ApiProperty(RECOVERY_CODE)
  @IsOptional()
  @IsCode()
  recovery_code?: string;
}
