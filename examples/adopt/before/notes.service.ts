import { Injectable, NotFoundException } from '@nestjs/common';
import { InjectDataSource, InjectRepository } from '@nestjs/typeorm';
import { DataSource, Repository } from 'typeorm';
import { Note } from './note.entity.js';
import { Notebook } from './notebook.entity.js';

const SUMMARY = `SELECT b.name, count(n.id)::int AS notes, count(n.id) FILTER (WHERE n.pinned)::int AS pinned
   FROM notebooks b LEFT JOIN notes n ON n.notebook_id = b.id
  GROUP BY b.id, b.name ORDER BY b.id`;

@Injectable()
export class NotesService {
  constructor(
    @InjectRepository(Notebook) private readonly notebooks: Repository<Notebook>,
    @InjectRepository(Note) private readonly notes: Repository<Note>,
    @InjectDataSource() private readonly source: DataSource,
  ) {}

  addNotebook(name: string): Promise<Notebook> {
    return this.notebooks.save({ name, createdAt: new Date() });
  }

  listNotebooks(): Promise<Notebook[]> {
    return this.notebooks.find({ order: { id: 'ASC' } });
  }

  async addNote(notebookId: number, content: string): Promise<Note> {
    const notebook = await this.notebook(notebookId);
    return this.notes.save({ notebookId: notebook.id, content, pinned: false, createdAt: new Date() });
  }

  async listNotes(notebookId: number): Promise<Note[]> {
    const notebook = await this.notebook(notebookId);
    return this.notes.find({ where: { notebookId: notebook.id }, order: { pinned: 'DESC', id: 'ASC' } });
  }

  async pin(id: number): Promise<Note> {
    const note = await this.notes.findOneBy({ id });
    if (!note) throw new NotFoundException();
    note.pinned = true;
    return this.notes.save(note);
  }

  summary(): Promise<{ name: string; notes: number; pinned: number }[]> {
    return this.source.query(SUMMARY);
  }

  private async notebook(id: number): Promise<Notebook> {
    const notebook = await this.notebooks.findOneBy({ id });
    if (!notebook) throw new NotFoundException();
    return notebook;
  }
}
