import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsISO8601, IsString, Length, Matches, ValidateIf } from 'class-validator';
import type { Page } from 'tenantry';
import { PageView } from '../rest.js';
import type { Reminder, Visit } from './visit.entity.js';

const DATE = /^\d{4}-\d{2}-\d{2}$/;
const AS_DATE = { message: '$property must be a date: YYYY-MM-DD' };

export class AddVisitRequest {
  @ApiProperty({ format: 'date', example: '2026-11-20' })
  @Matches(DATE, AS_DATE)
  @IsISO8601({ strict: true }, AS_DATE)
  visited_on: string;

  @ApiProperty({ example: 'Yearly check', maxLength: 500 })
  @IsString()
  @Length(1, 500)
  reason: string;

  @ApiPropertyOptional({ example: 'rabies', maxLength: 100, description: 'Goes with vaccination_due_on.' })
  @ValidateIf(vaccinated)
  @IsString()
  @Length(1, 100)
  vaccine?: string;

  @ApiPropertyOptional({ format: 'date', example: '2026-12-10', description: 'When it is to be repeated.' })
  @ValidateIf(vaccinated)
  @Matches(DATE, AS_DATE)
  @IsISO8601({ strict: true }, AS_DATE)
  vaccination_due_on?: string;
}

/** Both or neither. */
function vaccinated({ vaccine, vaccination_due_on: dueOn }: AddVisitRequest): boolean {
  return vaccine !== undefined || dueOn !== undefined;
}

export class VisitView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'uuid' })
  pet_id: string;

  @ApiProperty({ format: 'date' })
  visited_on: string;

  @ApiProperty()
  reason: string;

  @ApiProperty({ type: String, nullable: true })
  vaccine: string | null;

  @ApiProperty({ type: String, format: 'date', nullable: true })
  vaccination_due_on: string | null;

  static of({ id, petId, visitedOn, reason, vaccine, vaccinationDueOn }: Visit): VisitView {
    return { id, pet_id: petId, visited_on: visitedOn, reason, vaccine, vaccination_due_on: vaccinationDueOn };
  }
}

export class VisitPage extends PageView {
  @ApiProperty({ type: [VisitView] })
  items: VisitView[];

  static of({ items, next_cursor }: Page<Visit>): VisitPage {
    return { items: items.map((visit) => VisitView.of(visit)), next_cursor };
  }
}

export class ReminderView {
  @ApiProperty({ format: 'uuid' })
  id: string;

  @ApiProperty({ format: 'uuid' })
  pet_id: string;

  @ApiProperty({ example: 'rabies' })
  vaccine: string;

  @ApiProperty({ format: 'date' })
  due_on: string;

  static of({ id, petId, vaccine, dueOn }: Reminder): ReminderView {
    return { id, pet_id: petId, vaccine, due_on: dueOn };
  }
}

export class ReminderPage extends PageView {
  @ApiProperty({ type: [ReminderView] })
  items: ReminderView[];

  static of({ items, next_cursor }: Page<Reminder>): ReminderPage {
    return { items: items.map((reminder) => ReminderView.of(reminder)), next_cursor };
  }
}
