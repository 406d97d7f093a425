import { Injectable } from '@nestjs/common';
import { OutboundPolicy } from '../../outbound/index.js';
import { ResourceUnavailable, type TenantResource, TenantResources } from '../../resources/index.js';
import { SecretVault } from '../../secrets/index.js';
import { settingOf } from '../../settings/index.js';
import { type Tenant, TenantContext } from '../../tenancy/index.js';
import type { User } from '../users/user.entity.js';
import { DirectoryClient } from './directory.client.js';
import { DirectoryUnavailable, faultOf } from './directory.errors.js';
import {
  DIRECTORY_BASE_DN,
  DIRECTORY_BIND_DN,
  DIRECTORY_BIND_PASSWORD,
  DIRECTORY_CA,
  DIRECTORY_SIGN_IN,
  DIRECTORY_URL,
  DIRECTORY_USER_FILTER,
} from './directory.settings.js';

/** Passwords that the current tenant's own directory (LDAP) checks. */
@Injectable()
export class DirectoryPasswords {
  private readonly directory: TenantResource<DirectoryClient>;

  constructor(
    resources: TenantResources,
    private readonly policy: OutboundPolicy,
    private readonly vault: SecretVault,
    private readonly context: TenantContext,
  ) {
    this.directory = resources.declare<DirectoryClient>({
      name: 'directory',
      settings: [
        DIRECTORY_URL,
        DIRECTORY_CA,
        DIRECTORY_BIND_DN,
        DIRECTORY_BIND_PASSWORD,
        DIRECTORY_BASE_DN,
        DIRECTORY_USER_FILTER,
      ],
      isSetUp,
      make: (tenant) => this.connect(tenant),
      check: (client) => client.verify(),
      dispose: (client) => client.close(),
      reasonOf: faultOf,
    });
  }

  /** Whether the tenant has one. */
  get configured(): boolean {
    return isSetUp(this.context.currentOrThrow('A directory'));
  }

  /**
   * Whether it is the directory that checks this person's password. Owners who have one here always use that, so that a wrong
   * setting shuts nobody out who could put it right.
   */
  checks(user: Pick<User, 'role' | 'passwordHash'>): boolean {
    if (!this.configured) return false;
    if (user.passwordHash === null) return true;
    const all = settingOf(this.context.currentOrThrow('A directory'), DIRECTORY_SIGN_IN) === 'everybody';
    return all && user.role !== 'owner';
  }

  /** @param email of whoever it is @throws DirectoryUnavailable */
  isRight(email: string, password: string): Promise<boolean> {
    return this.ask((client) => client.isRight(email, password));
  }

  /** Asks as much for somebody who is not to be let in. @throws DirectoryUnavailable */
  pretend(email: string): Promise<void> {
    return this.ask((client) => client.pretend(email));
  }

  private async ask<T>(work: (client: DirectoryClient) => Promise<T>): Promise<T> {
    const asked = (client: DirectoryClient) =>
      work(client).catch((error: unknown) => {
        throw new DirectoryUnavailable(error);
      });
    try {
      return await this.directory.use(asked);
    } catch (error) {
      throw error instanceof ResourceUnavailable ? new DirectoryUnavailable(error) : error;
    }
  }

  private async connect(tenant: Tenant): Promise<DirectoryClient> {
    const bindDn = settingOf(tenant, DIRECTORY_BIND_DN);
    const options = {
      url: settingOf(tenant, DIRECTORY_URL),
      ca: settingOf(tenant, DIRECTORY_CA),
      bindDn,
      bindPassword: (bindDn === '' ? undefined : await this.vault.open(DIRECTORY_BIND_PASSWORD)) ?? '',
      baseDn: settingOf(tenant, DIRECTORY_BASE_DN),
      userFilter: settingOf(tenant, DIRECTORY_USER_FILTER),
    };
    const client = new DirectoryClient(options, this.policy);
    try {
      await client.verify();
    } catch (error) {
      await client.close();
      throw error;
    }
    return client;
  }
}

const isSetUp = (tenant: Tenant): boolean => settingOf(tenant, DIRECTORY_URL) !== '';
