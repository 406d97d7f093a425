import { ApiProperty } from '@nestjs/swagger';
import { IsOptional, IsString } from 'class-validator';

export class SessionRequest {
  @ApiProperty({ example: 'acme', required: false, description: 'Slug of the tenant, unless named another way.' })
  @IsOptional()
  @IsString({ message: 'must be a string' })
  tenant_id?: string;
}

export class SessionTenant {
  @ApiProperty({ example: 'acme' })
  id: string;

  @ApiProperty({ example: 'Acme Corp' })
  name: string;

  @ApiProperty({ example: 'Howdy from Acme!' })
  welcome: string;
}

export class SessionResponse {
  @ApiProperty({ example: 'SESSION_ID', description: "The visitor's credential. Keep it; it is shown once." })
  session_id: string;

  @ApiProperty({ type: SessionTenant })
  tenant: SessionTenant;
}

export class SessionView {
  @ApiProperty({ format: 'uuid', description: 'The name of the session; not a credential.' })
  id: string;

  @ApiProperty({ example: 'acme' })
  tenant_id: string;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ format: 'date-time' })
  last_active_at: string;

  @ApiProperty({ format: 'date-time', description: 'When the session ends if nothing more happens.' })
  expires_at: string;
}
