import { Injectable } from '@nestjs/common';
import { InjectTenantRepository, type TenantRepository } from '../../tenancy/index.js';
import { type OwnerContact, TenantOwners } from '../../tenant/index.js';
import { User } from '../users/user.entity.js';

/** The owners of the current tenant who are active. */
@Injectable()
export class ActiveOwners extends TenantOwners {
  constructor(@InjectTenantRepository(User) private readonly users: TenantRepository<User>) {
    super();
  }

  async list(): Promise<OwnerContact[]> {
    const owners = await this.users.find({ where: { role: 'owner', status: 'active' } });
    return owners.map(({ email, name }) => ({ email, name }));
  }
}
