import { ApiProperty } from '@nestjs/swagger';
import { IsBoolean, IsString, MaxLength, MinLength } from 'class-validator';
import { DOMAIN_STATUSES, type DomainStatus, proofRecord, type TenantDomain } from '../tenant/index.js';

export class AddDomainRequest {
  @ApiProperty({ example: 'chat.acme-corp.com', description: 'Of any script; ports and a trailing dot are ignored.' })
  @IsString({ message: 'must be a text' })
  @MinLength(1, { message: 'must not be empty' })
  @MaxLength(512, { message: 'must be at most 512 characters' })
  domain: string;
}

export class ChangeDomainRequest {
  @ApiProperty({ description: 'Whether links in mails lead to this domain.' })
  @IsBoolean({ message: 'must be true or false' })
  primary: boolean;
}

export class DnsRecord {
  @ApiProperty({ enum: ['TXT'] })
  type: 'TXT';

  @ApiProperty({ example: '_tenantry.chat.acme-corp.com' })
  name: string;

  @ApiProperty({ example: 'tenantry-verification=6a1f…' })
  value: string;
}

export class DomainView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ example: 'chat.acme-corp.com', description: 'In A-labels, lower case.' })
  domain: string;

  @ApiProperty({
    enum: DOMAIN_STATUSES,
    description:
      'pending: its proof is looked for, hourly for seven days; expired: no longer by itself; verified: in use; ' +
      'disabled: its proof was missing for three days.',
  })
  status: DomainStatus;

  @ApiProperty()
  primary: boolean;

  @ApiProperty({ type: DnsRecord, description: 'What the DNS has to show, now and as long as the domain is in use.' })
  record: DnsRecord;

  @ApiProperty({ type: String, nullable: true, description: 'What the last look found, when that was not the proof.' })
  finding: string | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  verified_at: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  checked_at: string | null;

  @ApiProperty({ type: String, format: 'date-time', nullable: true, description: 'Since when the proof is missing.' })
  failing_since: string | null;

  static of(domain: TenantDomain): DomainView {
    return {
      id: domain.id,
      domain: domain.domain,
      status: domain.status,
      primary: domain.isPrimary,
      record: proofRecord(domain),
      finding: domain.finding,
      created_at: domain.createdAt.toISOString(),
      verified_at: domain.verifiedAt?.toISOString() ?? null,
      checked_at: domain.checkedAt?.toISOString() ?? null,
      failing_since: domain.failingSince?.toISOString() ?? null,
    };
  }
}

export class DomainPage {
  @ApiProperty({ type: [DomainView] })
  items: DomainView[];

  @ApiProperty({ type: String, nullable: true, description: 'Always null: there are at most ten.' })
  next_cursor: string | null;

  static of(domains: TenantDomain[]): DomainPage {
    return { items: domains.map((domain) => DomainView.of(domain)), next_cursor: null };
  }
}
