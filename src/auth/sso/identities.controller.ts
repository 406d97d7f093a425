import { Controller, Delete, Get, Header, HttpCode, Param, Req } from '@nestjs/common';
import { ApiBearerAuth, ApiNoContentResponse, ApiOkResponse, ApiOperation, ApiParam, ApiTags } from '@nestjs/swagger';
import { ApiTenantHeader } from '../../http/index.js';
import { RequiresPermission } from '../access/access.decorator.js';
import { callerOf, ownerOf } from '../access/caller.js';
import { ACCOUNT_MANAGE } from '../access/permissions.js';
import type { AccessRequest } from '../access/principal.js';
import { USER_READ, USER_WRITE } from '../users/user.permissions.js';
import { IdentitiesService } from './identities.service.js';
import { IdentityListView } from './identity.dto.js';

const Id = (name: string) => ApiParam({ name, schema: { type: 'string', format: 'uuid' } });

@ApiTags('account')
@ApiTenantHeader()
@ApiBearerAuth('bearer')
@Controller('api/auth/identities')
export class IdentitiesController {
  constructor(private readonly identities: IdentitiesService) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(ACCOUNT_MANAGE)
  @ApiOperation({ summary: 'Whom you sign in as with single sign-on' })
  @ApiOkResponse({ type: IdentityListView })
  async list(@Req() request: AccessRequest): Promise<IdentityListView> {
    return IdentityListView.of(await this.identities.list(ownerOf(request).id));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequiresPermission(ACCOUNT_MANAGE)
  @Id('id')
  @ApiOperation({
    summary: 'Unlink one of them',
    description:
      'Whoever it is there does not sign in as you any more, unless the provider vouches for your address again. ' +
      'Devices stay signed in. Not the last way to sign in: 409 `last_way_to_sign_in`.',
  })
  @ApiNoContentResponse()
  unlink(@Req() request: AccessRequest, @Param('id') id: string): Promise<void> {
    return this.identities.unlinkOwn(ownerOf(request).id, id);
  }
}

@ApiTags('users')
@ApiTenantHeader()
@ApiBearerAuth('bearer')
@Controller('api/users/:user/identities')
export class UserIdentitiesController {
  constructor(private readonly identities: IdentitiesService) {}

  @Get()
  @Header('Cache-Control', 'no-store')
  @RequiresPermission(USER_READ)
  @Id('user')
  @ApiOperation({ summary: 'Whom a person signs in as with single sign-on' })
  @ApiOkResponse({ type: IdentityListView })
  async list(@Param('user') user: string): Promise<IdentityListView> {
    return IdentityListView.of(await this.identities.list(user));
  }

  @Delete(':id')
  @HttpCode(204)
  @RequiresPermission(USER_WRITE)
  @Id('user')
  @Id('id')
  @ApiOperation({
    summary: 'Unlink one of them',
    description:
      'Only of people who hold nothing that the caller lacks. The next sign-in there links whoever the provider vouches ' +
      'for with the address of the person. Devices stay signed in.',
  })
  @ApiNoContentResponse()
  unlink(@Req() request: AccessRequest, @Param('user') user: string, @Param('id') id: string): Promise<void> {
    return this.identities.unlinkOf(callerOf(request), user, id);
  }
}
