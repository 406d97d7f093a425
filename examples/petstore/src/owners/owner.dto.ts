import { ApiProperty } from '@nestjs/swagger';
import { IsEmail, IsString, Length } from 'class-validator';
import type { Page } from 'tenantry';
import { PageView } from '../rest.js';
import type { Owner } from './owner.entity.js';

export class AddOwnerRequest {
  @ApiProperty({ example: 'Sam Vimes', maxLength: 100 })
  @IsString()
  @Length(1, 100)
  name: string;

  @ApiProperty({ example: 'sam@customers.example', format: 'email' })
  @IsEmail()
  email: string;
}

export class OwnerView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ example: 'Sam Vimes' })
  name: string;

  @ApiProperty({ example: 'sam@customers.example' })
  email: string;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  static of({ id, name, email, createdAt }: Owner): OwnerView {
    return { id, name, email, created_at: createdAt.toISOString() };
  }
}

export class OwnerPage extends PageView {
  @ApiProperty({ type: [OwnerView] })
  items: OwnerView[];

  static of({ items, next_cursor }: Page<Owner>): OwnerPage {
    return { items: items.map((owner) => OwnerView.of(owner)), next_cursor };
  }
}
