import { Body, Controller, Get, HttpCode, Param, ParseIntPipe, Post } from '@nestjs/common';
import type { Note } from './note.entity.js';
import type { Notebook } from './notebook.entity.js';
import { NotebookRequest, NoteRequest } from './notes.dto.js';
import { NotesService } from './notes.service.js';

@Controller('api')
export class NotesController {
  constructor(private readonly notes: NotesService) {}

  @Post('notebooks')
  addNotebook(@Body() { name }: NotebookRequest): Promise<Notebook> {
    return this.notes.addNotebook(name);
  }

  @Get('notebooks')
  listNotebooks(): Promise<Notebook[]> {
    return this.notes.listNotebooks();
  }

  @Get('notebooks/summary')
  summary(): Promise<object[]> {
    return this.notes.summary();
  }

  @Post('notebooks/:id/notes')
  addNote(@Param('id', ParseIntPipe) id: number, @Body() { content }: NoteRequest): Promise<Note> {
    return this.notes.addNote(id, content);
  }

  @Get('notebooks/:id/notes')
  listNotes(@Param('id', ParseIntPipe) id: number): Promise<Note[]> {
    return this.notes.listNotes(id);
  }

  @Post('notes/:id/pin')
  @HttpCode(200)
  pin(@Param('id', ParseIntPipe) id: number): Promise<Note> {
    return this.notes.pin(id);
  }
}
