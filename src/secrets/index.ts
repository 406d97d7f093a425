import { Global, Module } from '@nestjs/common';
import { SecretVault } from './secret.vault.js';
import { TenantKeys } from './tenant.keys.js';

export * from './secret.vault.js';
export * from './secrets.errors.js';
export * from './tenant.keys.js';

@Global()
@Module({ providers: [TenantKeys, SecretVault], exports: [TenantKeys, SecretVault] })
export class SecretsModule {}
