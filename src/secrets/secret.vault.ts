import { Injectable } from '@nestjs/common';
import type { EntityManager } from 'typeorm';
import { bytesToUuid, seal, unseal, uuidToBytes } from '../common/index.js';
import { effectiveSetting, type SealedSecret, type SecretSetting, type Setting, settingOf } from '../settings/index.js';
import { TenantContext } from '../tenancy/index.js';
import { KeyUnreadable } from './secrets.errors.js';
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
   */
  async seal(
    owner: string | undefined,
    { key }: SecretSetting,
    text: string,
    queries?: Pick<EntityManager, 'query'>,
  ): Promise<SealedSecret> {
    const by = owner ?? PLATFORM;
    const dataKey = await this.keys.findOrCreate(by, queries);
    const bytes = Buffer.concat([Buffer.of(FORMAT), uuidToBytes(by), seal(dataKey, text, about(by, key))]);
    return { sealed: bytes.toString('base64url') };
  }

  /**
   * The text in force for the current tenant, to be sent where a setting says. What the operator set is not opened for an
   * address that the tenant set: whoever says where a secret is sent gets it.
   *
   * @param address the setting that says where it is sent
   * @returns undefined where there is none for that address
   * @throws TenantContextMissing outside a tenant scope; KeyUnreadable
   */
  async openFor(address: Setting<unknown>, setting: SecretSetting): Promise<string | undefined> {
    const tenant = this.context.currentOrThrow(`Secret ${setting.key}`);
    const own = (one: Setting<unknown>) => effectiveSetting(tenant, one).source === 'tenant';
    return own(address) && !own(setting) ? undefined : this.open(setting);
  }

  /**
   * The text in force for the current tenant.
   *
   * @returns undefined where nobody set one
   * @throws TenantContextMissing outside a tenant scope; KeyUnreadable
   */
  async open(setting: SecretSetting): Promise<string | undefined> {
    const tenant = this.context.currentOrThrow(`Secret ${setting.key}`);
    const value = settingOf(tenant, setting);
    if (!value) return undefined;
    const bytes = Buffer.from(value.sealed, 'base64url');
    if (bytes.length <= HEAD_BYTES || bytes[0] !== FORMAT) throw new KeyUnreadable(`${setting.key} is no sealed text`);
    const by = bytesToUuid(bytes.subarray(1, HEAD_BYTES));
    if (by !== tenant.id && by !== PLATFORM) throw new KeyUnreadable(`${setting.key} was sealed for another tenant`);
    const dataKey = await this.keys.find(by);
    if (!dataKey) throw new KeyUnreadable(`the key that sealed ${setting.key} is gone`);
    try {
      return unseal(dataKey, bytes.subarray(HEAD_BYTES), about(by, setting.key)).toString('utf8');
    } catch (error) {
      throw new KeyUnreadable(`${setting.key} was changed, or sealed under another key`, error);
    }
  }
}

function about(owner: string, key: string): string {
  return `setting:${owner}:${key}`;
}
