import { Body, Controller, Header, HttpCode, Post, Req, Res } from '@nestjs/common';
import { ApiOkResponse, ApiOperation, ApiProperty, ApiTags } from '@nestjs/swagger';
import { IsBoolean, IsOptional, IsString, MaxLength } from 'class-validator';
import type { Response } from 'express';
import { ApiTenantHeader } from '../../http/index.js';
import { AddressLimited } from '../../limits/index.js';
import { ForTenant } from '../access/access.decorator.js';
import type { AccessRequest } from '../access/principal.js';
import { RefreshCookie } from '../sign-in/refresh.cookie.js';
import { clientOf } from '../sign-in/client.js';
import { TokenResponse } from '../sign-in/sign-in.dto.js';
import { SandboxAccess } from './sandbox-access.service.js';

export class SandboxAccessRequest {
  @ApiProperty({ description: 'From `POST /api/sandboxes/{slug}/access`. Works once.' })
  @IsString({ message: 'must be a text' })
  @MaxLength(200, { message: 'must be at most 200 characters' })
  code: string;

  @ApiProperty({ required: false, default: false, description: 'As at the sign-in by password.' })
  @IsOptional()
  @IsBoolean({ message: 'must be true or false' })
  cookie?: boolean;
}

@ApiTags('sandboxes')
@ApiTenantHeader()
@Controller('api/auth/sandbox-access')
export class SandboxAccessController {
  constructor(
    private readonly access: SandboxAccess,
    private readonly cookie: RefreshCookie,
  ) {}

  @Post()
  @HttpCode(200)
  @Header('Cache-Control', 'no-store')
  @ForTenant()
  @AddressLimited('sign-in')
  @ApiOperation({
    summary: 'Sign in to a sandbox by code',
    description:
      'On the address of the sandbox, or with its slug in `X-Tenant-ID`. Whoever asked for the code is owner there.',
  })
  @ApiOkResponse({ type: TokenResponse })
  async redeem(
    @Body() { code, cookie }: SandboxAccessRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<TokenResponse> {
    const pair = await this.access.redeem(code, clientOf(request, cookie === true));
    return this.cookie.answer(request, response, pair);
  }
}
