import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { Transform } from 'class-transformer';
import { IsString, Matches, MaxLength, MinLength, ValidateBy, ValidateIf } from 'class-validator';
import { MAX_EMAIL } from '../users/email-key.js';
import { IsEmailAddress } from '../users/user.rules.js';

const TEXT = { message: 'must be a text' };
const FILLED = { message: 'must not be empty' };

/** A password as it is typed: what it must be like is the policy's to say. */
export const IsPassword = () => (target: object, property: string) => {
  IsString(TEXT)(target, property);
  MinLength(1, FILLED)(target, property);
  MaxLength(1024, { message: 'must be at most 1,024 characters' })(target, property);
};

/** An opaque credential of ours. */
export const IsToken = () => (target: object, property: string) => {
  IsString(TEXT)(target, property);
  MinLength(1, FILLED)(target, property);
  MaxLength(200, { message: 'must be at most 200 characters' })(target, property);
};

// Only the first @ parts: were it allowed on both sides, a text of many would be split in every way there is.
const ADDRESS = /^[^\p{Cc}@]+@[^\p{Cc}]+$/u;

/** Only so far that it can be looked up; whether mail reaches it, a mail will show. PostgreSQL takes no NUL. */
export const IsAddress = () =>
  ValidateBy({
    name: 'isAddress',
    validator: {
      // All rules of a field run, also on a text that another one finds too long: so the length is part of this one.
      validate: (value) => typeof value === 'string' && value.length <= MAX_EMAIL && ADDRESS.test(value),
      defaultMessage: () => `must be an e-mail address of at most ${MAX_EMAIL} characters`,
    },
  });

export class ChangePasswordRequest {
  @ApiProperty({ example: 'demo-password', format: 'password' })
  @IsPassword()
  current_password: string;

  @ApiProperty({ example: 'a quiet heron at noon', format: 'password', description: 'At least 10 characters.' })
  @IsPassword()
  new_password: string;
}

export class EmailRequest {
  @ApiProperty({ example: 'owner@acme.example' })
  @IsAddress()
  email: string;
}

export class ResetPasswordRequest {
  @ApiProperty({ description: 'From the link in the mail.' })
  @IsToken()
  token: string;

  @ApiProperty({ example: 'a quiet heron at noon', format: 'password', description: 'At least 10 characters.' })
  @IsPassword()
  new_password: string;
}

export class VerifyEmailRequest {
  @ApiProperty({ description: 'From the link in the mail.' })
  @IsToken()
  token: string;

  @ApiPropertyOptional({ format: 'password', description: 'Of the account, if somebody else gave it the address.' })
  @ValidateIf((_body, value) => value !== undefined)
  @IsPassword()
  password?: string;
}

export class ChangeEmailRequest {
  @ApiProperty({ example: 'olivia@acme.example', format: 'email' })
  @IsEmailAddress()
  email: string;

  @ApiProperty({ example: 'demo-password', format: 'password' })
  @IsPassword()
  current_password: string;
}

export class UpdateMeRequest {
  @ApiProperty({ example: 'Olivia Owner', maxLength: 100 })
  @Transform(({ value }: { value: unknown }) => (typeof value === 'string' ? value.trim() : value))
  @IsString(TEXT)
  @MinLength(1, FILLED)
  @MaxLength(100, { message: 'must be at most 100 characters' })
  @Matches(/^[^\p{Cc}\p{Cs}]*$/u, { message: 'must be one line of valid text' })
  name: string;
}

/** The answer to whoever asks for a mail, always the same. */
export class AcceptedResponse {
  @ApiProperty({ example: 'If there is such an account, a mail is on its way.' })
  message: string;
}

export const ACCEPTED: AcceptedResponse = { message: 'If there is such an account, a mail is on its way.' };
