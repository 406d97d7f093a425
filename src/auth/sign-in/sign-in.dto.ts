import { ApiProperty } from '@nestjs/swagger';
import { IsBoolean, IsOptional, IsString, Matches, MaxLength, MinLength } from 'class-validator';
import type { TokenPair } from './sign-in.service.js';

const TEXT = { message: 'must be a text' };

export class LoginRequest {
  @ApiProperty({ example: 'owner@acme.example' })
  @IsString(TEXT)
  @Matches(/^\P{Cc}*$/u, { message: 'must hold no control characters' })
  @MaxLength(254, { message: 'must be at most 254 characters' })
  email: string;

  @ApiProperty({ example: 'demo-password', format: 'password' })
  @IsString(TEXT)
  @MinLength(1, { message: 'must not be empty' })
  @MaxLength(1024, { message: 'must be at most 1,024 characters' })
  password: string;

  @ApiProperty({
    required: false,
    default: false,
    description: 'For a browser: the refresh token goes into an HttpOnly cookie, and a csrf_token into the answer.',
  })
  @IsOptional()
  @IsBoolean({ message: 'must be true or false' })
  cookie?: boolean;
}

export class RefreshRequest {
  @ApiProperty({ required: false, description: 'Left out when it is in the cookie.' })
  @IsOptional()
  @IsString(TEXT)
  @MaxLength(200, { message: 'must be at most 200 characters' })
  refresh_token?: string;
}

export class TokenResponse {
  @ApiProperty({ description: 'For `Authorization: Bearer …`.' })
  access_token: string;

  @ApiProperty({ required: false, description: 'Works once. Absent when it is in the cookie.' })
  refresh_token?: string;

  @ApiProperty({ example: 'Bearer' })
  token_type: 'Bearer';

  @ApiProperty({ example: 900, description: 'Life of the access token in seconds.' })
  expires_in: number;

  @ApiProperty({ required: false, description: 'To be sent as X-CSRF-Token with the cookie.' })
  csrf_token?: string;

  static of(pair: TokenPair, csrfToken?: string): TokenResponse {
    return {
      access_token: pair.accessToken,
      ...(csrfToken === undefined ? { refresh_token: pair.refreshToken } : { csrf_token: csrfToken }),
      token_type: 'Bearer',
      expires_in: pair.expiresIn,
    };
  }
}
