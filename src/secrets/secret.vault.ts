import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { bytesToUuid, seal, unseal, uuidToBytes } from '../common/index.js';
import {
  effectiveSetting,
  isSecretNeeded,
  type SealedSecret,
  type SecretSetting,
  type Setting,
} from '../settings/index.js';
import { TenantContext } from '../tenancy/index.js';
import { KeyUnreadable, SecretNeeded } from './secrets.errors.js';
import { PLATFORM, TenantKeys } from './tenant.keys.js';

const FORMAT = 1;
const HEAD_BYTES = 17;

/**
 * Seals and opens the texts of secret settings. A sealed text says whose key sealed it, and opens under its own setting
 * alone: copied to another tenant or setting, it is noise.
 */
@Injectable()
export class SecretVault {
  constructor(
    private readonly keys: TenantKeys,
    private readonly context: TenantContext,
  ) {}

  /**
   * @param owner the tenant whose setting it is; undefined: of a plan or the platform
   * @param queries the manager of the transaction that stores it
   * @param address of a tenant: `addressOf` with the settings that are stored with it
   */
  async seal(
    owner: string | undefined,
    { key }: SecretSetting,
    text: string,
    queries?: Pick<EntityManager, 'query'>,
    address?: string,
  ): Promise<SealedSecret> {
    const by = owner ?? PLATFORM;
    const dataKey = await this.keys.findOrCreate(by, queries);
    const bytes = Buffer.concat([Buffer.of(FORMAT), uuidToBytes(by), seal(dataKey, text, about(by, key, address))]);
    return { sealed: bytes.toString('base64url'), ...(address !== undefined && { for: address }) };
  }

  /**
   * The text in force for the current tenant. Whoever says where a secret is sent gets it: what the operator set is not
   * opened for an address that the tenant set, and what the tenant set not for another than it was entered for.
   *
   * @returns undefined where nobody set one for that address
   * @throws TenantContextMissing outside a tenant scope; SecretNeeded; KeyUnreadable
   */
  async open(setting: SecretSetting): Promise<string | undefined> {
    const tenant = this.context.currentOrThrow(`Secret ${setting.key}`);
    const { value, source } = effectiveSetting(tenant, setting);
    if (!value) return undefined;
    const isItsOwn = (one: Setting<unknown>): boolean => effectiveSetting(tenant, one).source === 'tenant';
    if (source !== 'tenant' && setting.sentTo?.some(isItsOwn)) return undefined;
    if (isSecretNeeded(tenant, setting)) throw new SecretNeeded(setting.key);
    const bytes = Buffer.from(value.sealed, 'base64url');
    if (bytes.length <= HEAD_BYTES || bytes[0] !== FORMAT) throw new KeyUnreadable(`${setting.key} is no sealed text`);
    const by = bytesToUuid(bytes.subarray(1, HEAD_BYTES));
    if (by !== tenant.id && by !== PLATFORM) throw new KeyUnreadable(`${setting.key} was sealed for another tenant`);
    const dataKey = await this.keys.find(by);
    if (!dataKey) throw new KeyUnreadable(`the key that sealed ${setting.key} is gone`);
    try {
      return unseal(dataKey, bytes.subarray(HEAD_BYTES), about(by, setting.key, value.for)).toString('utf8');
    } catch (error) {
      throw new KeyUnreadable(`${setting.key} was changed, or sealed under another key`, error);
    }
  }
}

function about(owner: string, key: string, address: string | undefined): string {
  return `setting:${owner}:${key}${address === undefined ? '' : `:${address}`}`;
}
