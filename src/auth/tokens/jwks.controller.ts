import { Controller, Get, Header } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiTags } from '@nestjs/swagger';
import type { JsonWebKey } from 'node:crypto';
import { Public } from '../access/access.decorator.js';
import { JWKS_MAX_AGE_SECONDS } from './key-rotation.js';
import { SigningKeys } from './signing-keys.js';

const CACHED = `public, max-age=${JWKS_MAX_AGE_SECONDS}`;
const EXAMPLE = { keys: [{ kty: 'EC', crv: 'P-256', x: '…', y: '…', kid: '…', use: 'sig', alg: 'ES256' }] };

@ApiTags('auth')
@Public()
@Controller()
export class JwksController {
  constructor(private readonly keys: SigningKeys) {}

  @Get('.well-known/jwks.json')
  @Header('Cache-Control', CACHED)
  @ApiOperation({ summary: "Public keys of tenants' access tokens (RFC 7517)" })
  @ApiOkResponse({ schema: { type: 'object', example: EXAMPLE } })
  tenants(): { keys: JsonWebKey[] } {
    return this.keys.jwks('tenant');
  }

  @Get('api/admin/.well-known/jwks.json')
  @Header('Cache-Control', CACHED)
  @ApiOperation({ summary: "Public keys of platform admins' access tokens" })
  @ApiOkResponse({ schema: { type: 'object', example: EXAMPLE } })
  platform(): { keys: JsonWebKey[] } {
    return this.keys.jwks('platform');
  }
}
