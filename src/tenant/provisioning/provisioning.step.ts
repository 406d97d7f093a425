import type { Tenant } from '../../tenancy/index.js';

/** The steps in their order. Each may run again after a crash, and must then come to the same. */
export const STEP_NAMES = [
  'reserve-slug',
  'placement',
  'migrate',
  'default-settings',
  'default-data',
  'owner',
  'welcome-mail',
  'activate',
] as const;
export type StepName = (typeof STEP_NAMES)[number];

/** Who will own the tenant. */
export interface TenantOwner {
  email: string;
  name?: string;
  /** PHC string of a password that the owner has proved to be theirs by mail; without it the owner is invited. */
  passwordHash?: string;
}

/** What a tenant was asked for with; sealed while it is kept, and gone when the tenant is ready. */
export interface ProvisioningRequest {
  owner?: TenantOwner;
  settings: Record<string, unknown>;
}

export interface StepRun {
  tenant: Tenant;
  request: ProvisioningRequest;
}

/** A step's failure whose reason an admin may read. */
export class ProvisioningFailure extends Error {
  /**
   * @param reason for the admin, without secrets
   * @param permanent true when trying again cannot help
   */
  constructor(
    readonly reason: string,
    readonly permanent = false,
    options?: ErrorOptions,
  ) {
    super(reason, options);
    this.name = 'ProvisioningFailure';
  }
}

export type StepHandler = (run: StepRun) => Promise<void>;
