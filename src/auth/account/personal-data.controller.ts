import { Readable } from 'node:stream';
import { Body, Controller, Delete, Get, Header, HttpCode, Req, Res, StreamableFile } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiNoContentResponse,
  ApiOkResponse,
  ApiOperation,
  ApiProperty,
  ApiTags,
} from '@nestjs/swagger';
import { IsString, MaxLength, MinLength } from 'class-validator';
import type { Response } from 'express';
import { ApiTenantHeader } from '../../http/index.js';
import { AddressLimited } from '../../limits/index.js';
import { TenantContext } from '../../tenancy/index.js';
import { RequiresPermission } from '../access/access.decorator.js';
import { ACCOUNT_MANAGE } from '../access/permissions.js';
import type { AccessRequest, TenantPrincipal } from '../access/principal.js';
import { CredentialInvalid, RefusedUnderImpersonation } from '../auth.errors.js';
import { RefreshCookie } from '../sign-in/refresh.cookie.js';
import { AccountDeletion } from './account-deletion.service.js';
import { PersonalDataExport } from './personal-data.export.js';

export class AccountDeletionRequest {
  @ApiProperty({ format: 'password', description: 'Your present password, to be sure that it is you.' })
  @IsString({ message: 'must be a text' })
  @MinLength(1, { message: 'must not be empty' })
  @MaxLength(1024, { message: 'must be at most 1,024 characters' })
  password: string;
}

const LIST = { type: 'array', items: { type: 'object' } } as const;
const DOCUMENT = {
  profile: { type: 'object' },
  devices: LIST,
  invitations: LIST,
  api_keys: LIST,
  external_identities: LIST,
  impersonations: LIST,
  sessions: LIST,
  messages: LIST,
  files: LIST,
  audit_events: LIST,
  audit_events_about_you: LIST,
} as const;

@ApiTags('account')
@ApiTenantHeader()
@ApiBearerAuth('bearer')
@Controller('api/auth/me')
export class PersonalDataController {
  constructor(
    private readonly exports: PersonalDataExport,
    private readonly deletion: AccountDeletion,
    private readonly cookie: RefreshCookie,
    private readonly context: TenantContext,
  ) {}

  @Get('data')
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(ACCOUNT_MANAGE, { whileSuspended: true })
  @ApiOperation({
    summary: 'Download everything that is held of you',
    description: 'A JSON file. The download is itself recorded.',
  })
  @ApiOkResponse({
    content: {
      'application/json': {
        schema: {
          type: 'object',
          required: Object.keys(DOCUMENT),
          properties: DOCUMENT,
        },
      },
    },
  })
  async data(@Req() request: AccessRequest): Promise<StreamableFile> {
    const pieces = await this.exports.of(themselves(request).id);
    const { slug } = this.context.currentOrThrow('Personal data');
    // A page of text is what one read yields; objectMode would count sixteen of them as little.
    return new StreamableFile(Readable.from(pieces, { objectMode: false }), {
      type: 'application/json; charset=utf-8',
      disposition: `attachment; filename="personal-data-${slug}.json"`,
    });
  }

  @Delete()
  @HttpCode(204)
  @RequiresPermission(ACCOUNT_MANAGE)
  @AddressLimited('sign-in')
  @ApiOperation({
    summary: 'Delete your account',
    description:
      'At once and for good; you are signed out everywhere. By the setting auth.deleted_user_messages of the tenant ' +
      'your chat messages stay without your name, or are removed. The last owner cannot leave.',
  })
  @ApiNoContentResponse()
  async remove(
    @Body() body: AccountDeletionRequest,
    @Req() request: AccessRequest,
    @Res({ passthrough: true }) response: Response,
  ): Promise<void> {
    await this.deletion.delete(themselves(request), body.password);
    if (this.cookie.read(request)) this.cookie.clear(request, response);
  }
}

/** @throws RefusedUnderImpersonation for a platform admin who acts as the user */
function themselves(request: AccessRequest): TenantPrincipal {
  const { principal } = request;
  if (principal?.kind !== 'user') throw new CredentialInvalid();
  if (principal.impersonator) throw new RefusedUnderImpersonation();
  return principal;
}
