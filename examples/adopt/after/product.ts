import { Module } from '@nestjs/common';
import type { Product } from 'tenantry';
import { CreateNotes1796100000000 } from './create-notes.js';
import { Note } from './note.entity.js';
import { Notebook } from './notebook.entity.js';
import { NotesController } from './notes.controller.js';
import { NotesService } from './notes.service.js';
import { OldNotes } from './old.notes.js';

@Module({ controllers: [NotesController], providers: [NotesService, OldNotes] })
export class NotesModule {}

export const NOTES: Product = {
  modules: [NotesModule],
  entities: [Notebook, Note],
  migrations: [CreateNotes1796100000000],
  tags: [['notes', 'Notebooks and the notes in them']],
};
