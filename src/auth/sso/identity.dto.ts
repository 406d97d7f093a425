import { ApiProperty } from '@nestjs/swagger';
import type { ExternalIdentity } from './external-identity.entity.js';

export class IdentityView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ example: 'https://login.example.com', description: 'The provider.' })
  issuer: string;

  @ApiProperty({ example: '248289761001', description: 'Who the person is there.' })
  subject: string;

  @ApiProperty({ format: 'date-time' })
  linked_at: string;
}

export class IdentityListView {
  @ApiProperty({ type: [IdentityView] })
  items: IdentityView[];

  @ApiProperty({ type: String, nullable: true, example: null, description: 'All there are come at once.' })
  next_cursor: null;

  static of(identities: ExternalIdentity[]): IdentityListView {
    const view = ({ id, issuer, subject, linkedAt }: ExternalIdentity): IdentityView => ({
      id,
      issuer,
      subject,
      linked_at: linkedAt.toISOString(),
    });
    return { items: identities.map(view), next_cursor: null };
  }
}
