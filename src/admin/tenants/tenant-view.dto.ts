import { ApiProperty } from '@nestjs/swagger';
import { etagOf } from '../../common/index.js';
import { shownSettings } from '../../settings/index.js';
import { DEFAULT_SERVER, ISOLATIONS, hasOwnLogin, serverOf, type TenantStatus } from '../../tenancy/index.js';
import {
  allowedFrom,
  PLANS,
  type ProvisioningState,
  STEP_NAMES,
  TENANT_KINDS,
  TENANT_STATUSES,
  type TenantKind,
  type TenantRecord,
} from '../../tenant/index.js';

export const SETTINGS_EXAMPLE = { 'chat.public': true, 'limits.chat_per_10s': 20 };

export class StepView {
  @ApiProperty({ enum: STEP_NAMES })
  name: string;

  @ApiProperty({ enum: ['pending', 'running', 'done', 'failed'] })
  state: string;

  @ApiProperty()
  attempts: number;

  @ApiProperty({ type: Number, nullable: true, description: 'Of the last attempt, once it ended.' })
  duration_ms: number | null;

  @ApiProperty({ type: String, nullable: true })
  error: string | null;
}

export class ProvisioningView {
  @ApiProperty({ enum: ['running', 'done', 'failed', 'undoing'] })
  state: string;

  @ApiProperty()
  attempts: number;

  @ApiProperty({ type: String, nullable: true })
  error: string | null;

  @ApiProperty({ type: [StepView] })
  steps: StepView[];

  static of({ state, attempts, error, steps }: ProvisioningState): ProvisioningView {
    return {
      state,
      attempts,
      error: error || null,
      steps: steps.map((step) => ({
        name: step.name,
        state: step.state,
        attempts: step.attempts,
        duration_ms:
          step.started_at && step.finished_at ? step.finished_at.getTime() - step.started_at.getTime() : null,
        error: step.error,
      })),
    };
  }
}

export class TenantView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ example: 'umbrella' })
  slug: string;

  @ApiProperty({ example: 'Umbrella Ltd' })
  name: string;

  @ApiProperty({ enum: TENANT_STATUSES })
  status: TenantStatus;

  @ApiProperty({ enum: TENANT_KINDS })
  kind: TenantKind;

  @ApiProperty({ enum: PLANS })
  plan: string;

  @ApiProperty({ enum: ISOLATIONS })
  isolation: string;

  @ApiProperty({ description: 'Whether a login role of its own enters its schema or database.' })
  login: boolean;

  @ApiProperty({ example: DEFAULT_SERVER, description: 'Where its data is.' })
  server: string;

  @ApiProperty({ type: Object, example: SETTINGS_EXAMPLE })
  settings: Record<string, unknown>;

  @ApiProperty({ type: String, nullable: true })
  suspended_reason: string | null;

  @ApiProperty({ type: [String], description: 'What can be done to it now.' })
  allowed: string[];

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  expires_at: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  purge_after: string | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ format: 'date-time' })
  updated_at: string;

  @ApiProperty({ example: '"r1"', description: 'For If-Match; changes by edits alone.' })
  etag: string;

  static of(tenant: TenantRecord): TenantView {
    const { id, slug, name, status, kind, plan, placement, settings, suspended_reason } = tenant;
    return {
      id,
      slug,
      name,
      status,
      kind,
      plan,
      isolation: placement.kind,
      login: hasOwnLogin(placement),
      server: serverOf(placement),
      settings: shownSettings(settings),
      suspended_reason,
      allowed: allowedFrom(status),
      expires_at: tenant.expires_at?.toISOString() ?? null,
      purge_after: tenant.purge_after?.toISOString() ?? null,
      created_at: tenant.created_at.toISOString(),
      updated_at: tenant.updated_at.toISOString(),
      etag: etagOf(tenant.revision),
    };
  }
}

export class TenantDetails extends TenantView {
  @ApiProperty({ type: ProvisioningView, nullable: true, description: 'null for a tenant that came from a file.' })
  provisioning: ProvisioningView | null;

  static with(tenant: TenantRecord, progress: ProvisioningState | undefined): TenantDetails {
    return { ...TenantView.of(tenant), provisioning: progress ? ProvisioningView.of(progress) : null };
  }
}
