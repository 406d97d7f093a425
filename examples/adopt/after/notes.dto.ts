import { ApiProperty } from '@nestjs/swagger';
import { IsString, Length } from 'class-validator';

export class NotebookRequest {
  @ApiProperty({ example: 'Groceries' })
  @IsString()
  @Length(1, 100)
  name: string;
}

export class NoteRequest {
  @ApiProperty({ example: 'Groceries' })
  @IsString()
  @Length(1, 10_000)
  content: string;
}
