import { StatedFailure } from '../../common/index.js';
import type { Tenant } from '../../tenancy/index.js';
import type { TenantRecord } from '../tenant.record.js';
import type { Lease } from './provisioning.fence.js';

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
  /** A user at once, with neither password nor mail: whoever asked gets in another way. */
  direct?: true;
}

/** What a tenant is copied from. */
export interface CopyRequest {
  sourceId: string;
  withData: boolean;
  /** Whether the tenant is there already, and is brought back to its start. */
  reset?: true;
}

/** What a tenant was asked for with; sealed while it is kept, and gone when the tenant is ready. */
export interface ProvisioningRequest {
  owner?: TenantOwner;
  settings: Record<string, unknown>;
  copy?: CopyRequest;
}

export interface StepRun {
  tenant: Tenant;
  request: ProvisioningRequest;
  /** What the effects of the step are fenced by: ProvisioningMarks, or ProvisioningFence where they are no tenant's data. */
  lease: Lease;
  /**
   * Aborted when the process stops, the time of the step is up or its lease is lost: a long step then throws
   * ProvisioningInterrupted, and is gone on with elsewhere.
   */
  signal: AbortSignal;
}

/** A step's failure whose reason an admin may read. */
export class ProvisioningFailure extends StatedFailure {}

/** A step ends in its middle, and goes on where it was. */
export class ProvisioningInterrupted extends Error {
  constructor() {
    super('The step was interrupted.');
    this.name = 'ProvisioningInterrupted';
  }
}

export type StepHandler = (run: StepRun) => Promise<void>;

/** Why a copy that is being reset is suspended. What is suspended for another reason stays so when the reset is done. */
export const RESET_REASON = 'It is brought back to its start.';

/** Whether the tenant is out of service for the sake of a reset alone. */
export function isResetting({ status, suspended_reason: reason }: TenantRecord): boolean {
  return status === 'suspended' && reason === RESET_REASON;
}
