import { ApiProperty } from '@nestjs/swagger';
import { IsBoolean, IsOptional, Matches } from 'class-validator';
import { IsToken } from '../account/account.dto.js';

export class SsoStartQuery {
  @ApiProperty({
    example: 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM',
    description:
      'BASE64URL(SHA-256(code_verifier)) of a random code_verifier that your page keeps, for example in sessionStorage (RFC 7636, S256).',
  })
  @Matches(/^[\w-]{43}$/, { message: 'must be 43 characters of base64url' })
  code_challenge: string;
}

export class SsoRedeemRequest {
  @ApiProperty({ description: 'From the fragment of the address that the browser was sent to.' })
  @IsToken()
  code: string;

  @ApiProperty({ example: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk' })
  @Matches(/^[\w.~-]{43,128}$/, { message: 'must be 43 to 128 characters of A-Z, a-z, 0-9, "-", ".", "_" and "~"' })
  code_verifier: string;

  @ApiProperty({
    required: false,
    default: false,
    description: 'For a browser: the refresh token goes into an HttpOnly cookie, and a csrf_token into the answer.',
  })
  @IsOptional()
  @IsBoolean({ message: 'must be true or false' })
  cookie?: boolean;
}

export class SsoView {
  @ApiProperty({ description: 'Whether this tenant has single sign-on.' })
  enabled: boolean;

  @ApiProperty({ example: 'Single sign-on', description: 'What the button says.' })
  label: string;

  @ApiProperty({ description: 'Where to send the browser, with code_challenge added.' })
  start_url: string;

  @ApiProperty({ description: 'To be registered with the provider.' })
  redirect_uri: string;
}
