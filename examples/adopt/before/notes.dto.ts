import { IsString, Length } from 'class-validator';

export class NotebookRequest {
  @IsString()
  @Length(1, 100)
  name: string;
}

export class NoteRequest {
  @IsString()
  @Length(1, 10_000)
  content: string;
}
