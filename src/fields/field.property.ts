import { applyDecorators } from '@nestjs/common';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsObject, IsOptional } from 'class-validator';

const SHAPE = { type: 'object', additionalProperties: true, example: {} } as const;

/** For a member of a body. What its values may be is for the tenant's own schema to say. @param description of what it does */
export const CustomFieldsInput = (description: string) =>
  applyDecorators(
    ApiPropertyOptional({ ...SHAPE, description }),
    IsOptional(),
    IsObject({ message: 'must be an object of fields by name' }),
  );

/** For a member of an answer. */
export const CustomFieldsOutput = () =>
  ApiProperty({ ...SHAPE, description: 'By name, those that the tenant declares and that have a value.' });
