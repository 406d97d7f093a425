import { Injectable, NotFoundException } from '@nestjs/common';
import { InjectTenantRepository, isUuid, TenantContext, TenantRepository, TenantTransaction } from 'tenantry';
import { Note } from './note.entity.js';
import { Notebook } from './notebook.entity.js';

const SUMMARY = `SELECT b.name, count(n.id)::int AS notes, count(n.id) FILTER (WHERE n.pinned)::int AS pinned
   FROM notebooks b LEFT JOIN notes n ON n.tenant_id = b.tenant_id AND n.notebook_id = b.id
  WHERE b.tenant_id = $1
  GROUP BY b.id, b.name ORDER BY b.id`;

@Injectable()
export class NotesService {
  constructor(
    @InjectTenantRepository(Notebook) private readonly notebooks: TenantRepository<Notebook>,
    @InjectTenantRepository(Note) private readonly notes: TenantRepository<Note>,
    private readonly transaction: TenantTransaction,
    private readonly context: TenantContext,
  ) {}

  async addNotebook(name: string): Promise<Notebook> {
    const [notebook] = await this.notebooks.insert({ name, createdAt: new Date(), oldId: null });
    return notebook!;
  }

  listNotebooks(): Promise<Notebook[]> {
    return this.notebooks.find({ order: { id: 'ASC' } });
  }

  async addNote(notebookId: string, content: string): Promise<Note> {
    const notebook = await this.notebook(notebookId);
    const [note] = await this.notes.insert({
      ...{ notebookId: notebook.id, content, pinned: false, createdAt: new Date() },
      oldId: null,
    });
    return note!;
  }

  async listNotes(notebookId: string): Promise<Note[]> {
    const notebook = await this.notebook(notebookId);
    return this.notes.find({ where: { notebookId: notebook.id }, order: { pinned: 'DESC', id: 'ASC' } });
  }

  async pin(id: string): Promise<Note> {
    await this.notes.update(named(id), { pinned: true });
    const note = await this.notes.findOneBy(named(id));
    if (!note) throw new NotFoundException();
    return note;
  }

  summary(): Promise<{ name: string; notes: number; pinned: number }[]> {
    return this.transaction.query(SUMMARY, [this.context.currentOrThrow('The summary').id]);
  }

  private async notebook(id: string): Promise<Notebook> {
    const notebook = await this.notebooks.findOneBy(named(id));
    if (!notebook) throw new NotFoundException();
    return notebook;
  }
}

/** Links from before go on leading where they led. */
function named(id: string): { id: string } | { oldId: number } {
  if (/^\d{1,9}$/.test(id)) return { oldId: Number(id) };
  if (!isUuid(id)) throw new NotFoundException();
  return { id };
}
