import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, IsIn, IsInt, IsOptional, IsString, Matches, Max, Min } from 'class-validator';
import { DEFAULT_LIFETIME_DAYS, type NewSandbox } from './sandboxes.service.js';
import type { Sandbox, SandboxStatus } from './sandbox.store.js';

const KINDS = ['sandbox', 'training'] as const;
const STATUSES = ['provisioning', 'active', 'failed', 'suspended', 'resetting'] as const satisfies SandboxStatus[];

export class CreateSandboxRequest {
  @ApiPropertyOptional({
    example: 'acme-trying-out',
    description: 'A DNS label, for good: slugs are never given out again. `<own slug>-sandbox` when left out.',
  })
  @IsOptional()
  @IsString({ message: 'must be a DNS label' })
  slug?: string;

  @ApiPropertyOptional({ example: 'Trying out', maxLength: 200 })
  @IsOptional()
  @Matches(/^(?=.*\S)[^\p{Cc}\p{Cs}]{1,200}$/u, {
    message: 'must be a text of 1 to 200 characters without line breaks',
  })
  name?: string;

  @ApiPropertyOptional({ enum: KINDS, default: 'sandbox' })
  @IsOptional()
  @IsIn(KINDS, { message: `must be one of ${KINDS.join(', ')}` })
  kind?: (typeof KINDS)[number];

  @ApiPropertyOptional({ description: 'Slug of a template to copy, in place of the own tenant.' })
  @IsOptional()
  @IsString({ message: 'must be the slug of a template' })
  template?: string;

  @ApiPropertyOptional({
    default: false,
    description: 'Whether people, roles, chat sessions and messages are copied too; people without their addresses.',
  })
  @IsOptional()
  @IsBoolean({ message: 'must be true or false' })
  with_data?: boolean;

  @ApiPropertyOptional({
    type: 'integer',
    minimum: 1,
    maximum: 90,
    default: DEFAULT_LIFETIME_DAYS,
    description: 'A sandbox of a trial ends with the trial, if that is sooner.',
  })
  @IsOptional()
  @IsInt({ message: 'must be an integer from 1 to 90' })
  @Min(1, { message: 'must be an integer from 1 to 90' })
  @Max(90, { message: 'must be an integer from 1 to 90' })
  lifetime_days?: number;

  static read({
    slug,
    name,
    kind,
    template,
    with_data: withData,
    lifetime_days: days,
  }: CreateSandboxRequest): NewSandbox {
    // null and left out are the same to the validation.
    return {
      ...(slug != null && { slug }),
      ...(name != null && { name }),
      ...(kind != null && { kind }),
      ...(template != null && { template }),
      ...(withData != null && { withData }),
      ...(days != null && { lifetimeDays: days }),
    };
  }
}

export class SandboxView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ example: 'acme-sandbox' })
  slug: string;

  @ApiProperty({ example: 'Acme Corp (sandbox)' })
  name: string;

  @ApiProperty({ enum: STATUSES, description: 'provisioning and resetting end by themselves.' })
  status: SandboxStatus;

  @ApiProperty({ enum: KINDS })
  kind: string;

  @ApiProperty({ example: 'premium' })
  plan: string;

  @ApiProperty({ example: 'acme', description: 'Slug of what it was copied from.' })
  source: string;

  @ApiProperty()
  with_data: boolean;

  @ApiProperty({
    type: String,
    format: 'date-time',
    nullable: true,
    description: 'It is archived then, and later erased.',
  })
  expires_at: string | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  static of({ id, slug, name, status, kind, plan, source, with_data, ...at }: Sandbox): SandboxView {
    return {
      id,
      slug,
      name,
      status,
      kind,
      plan,
      source,
      with_data,
      expires_at: at.expires_at?.toISOString() ?? null,
      created_at: at.created_at.toISOString(),
    };
  }
}

export class SandboxPage {
  @ApiProperty({ type: [SandboxView] })
  items: SandboxView[];

  @ApiProperty({ type: String, nullable: true, description: 'Always null: there are few.' })
  next_cursor: string | null;
}

export class SandboxAccessView {
  @ApiProperty({ example: 'acme-sandbox' })
  slug: string;

  @ApiProperty({ description: 'For `POST /api/auth/sandbox-access` in the sandbox. Works once.' })
  code: string;

  @ApiProperty({ example: 300, description: 'Life of the code in seconds.' })
  expires_in: number;
}
