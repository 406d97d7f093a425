import { ApiProperty, ApiPropertyOptional, PartialType } from '@nestjs/swagger';
import { IsIn, IsOptional, IsString, IsUUID, Length, Matches } from 'class-validator';
import type { Page } from 'tenantry';
import { ListQuery, PageView } from '../rest.js';
import { type Pet, PET_STATUSES, type PetStatus, SPECIES, type Species } from './pet.entity.js';

export class AddPetRequest {
  @ApiProperty({ example: 'Rex', maxLength: 100 })
  @IsString()
  @Length(1, 100)
  name: string;

  @ApiProperty({ enum: SPECIES, example: 'dog' })
  @IsIn(SPECIES)
  species: Species;

  @ApiProperty({ example: 'Labrador', maxLength: 100 })
  @IsString()
  @Length(1, 100)
  breed: string;

  @ApiPropertyOptional({ type: String, format: 'date', example: '2024-05-01', nullable: true })
  @IsOptional()
  @Matches(/^(19|20)\d\d-(0[1-9]|1[0-2])-(0[1-9]|[12]\d)$/, {
    message: 'born_on must be a date up to the 29th: YYYY-MM-DD',
  })
  born_on?: string | null;

  @ApiPropertyOptional({ enum: PET_STATUSES, default: 'available' })
  @IsOptional()
  @IsIn(PET_STATUSES)
  status?: PetStatus;

  @ApiPropertyOptional({ type: String, format: 'uuid', nullable: true })
  @IsOptional()
  @IsUUID()
  owner_id?: string | null;
}

export class ChangePetRequest extends PartialType(AddPetRequest) {}

export class AdoptionQuery extends ListQuery {
  @ApiPropertyOptional({ enum: SPECIES })
  @IsOptional()
  @IsIn(SPECIES)
  species?: Species;

  @ApiPropertyOptional({ description: 'A part of name or breed.', maxLength: 100 })
  @IsOptional()
  @IsString()
  @Length(1, 100)
  q?: string;
}

/** What everybody may know of a pet. */
export class AdoptablePetView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ example: 'Rex' })
  name: string;

  @ApiProperty({ enum: SPECIES })
  species: Species;

  @ApiProperty({ example: 'Labrador' })
  breed: string;

  @ApiProperty({ type: String, format: 'date', nullable: true })
  born_on: string | null;

  static of({ id, name, species, breed, bornOn }: Pet): AdoptablePetView {
    return { id, name, species, breed, born_on: bornOn };
  }
}

export class PetView extends AdoptablePetView {
  @ApiProperty({ enum: PET_STATUSES })
  status: PetStatus;

  @ApiProperty({ type: String, format: 'uuid', nullable: true })
  owner_id: string | null;

  @ApiProperty({ format: 'date-time' })
  created_at: string;

  @ApiProperty({ type: String, format: 'date-time', nullable: true })
  deleted_at: string | null;

  static override of(pet: Pet): PetView {
    const { status, ownerId, createdAt, deletedAt } = pet;
    return {
      ...AdoptablePetView.of(pet),
      status,
      owner_id: ownerId,
      created_at: createdAt.toISOString(),
      deleted_at: deletedAt?.toISOString() ?? null,
    };
  }
}

export class PetPage extends PageView {
  @ApiProperty({ type: [PetView] })
  items: PetView[];

  static of({ items, next_cursor }: Page<Pet>): PetPage {
    return { items: items.map((pet) => PetView.of(pet)), next_cursor };
  }
}

export class AdoptionPage extends PageView {
  @ApiProperty({ type: [AdoptablePetView] })
  items: AdoptablePetView[];
}

export class PhotoView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ example: 'image/png', description: 'What its first bytes look like.' })
  media_type: string;

  @ApiProperty({ format: 'uri', description: 'Opens the photo for whoever has it, for an hour.' })
  url: string;
}

export class PhotoListView {
  @ApiProperty({ type: [PhotoView] })
  items: PhotoView[];

  @ApiProperty({ type: String, nullable: true })
  next_cursor: null;
}
