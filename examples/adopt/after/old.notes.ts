import { Injectable } from '@nestjs/common';
import pg from 'pg';
import {
  InjectTenantRepository,
  newId,
  TenantDirectory,
  TenantRepository,
  TenantRunner,
  TenantTransaction,
} from 'tenantry';
import { In } from 'typeorm';
import { Note } from './note.entity.js';
import { Notebook } from './notebook.entity.js';

const PAGE = 500;
const NOTEBOOKS = 'SELECT id, name, created_at FROM notebooks WHERE id > $1 ORDER BY id LIMIT $2';
const NOTES = 'SELECT id, notebook_id, content, pinned, created_at FROM notes WHERE id > $1 ORDER BY id LIMIT $2';

interface OldNotebook {
  id: number;
  name: string;
  created_at: Date;
}
interface OldNote {
  id: number;
  notebook_id: number;
  content: string;
  pinned: boolean;
  created_at: Date;
}

export interface Brought {
  notebooks: number;
  notes: number;
}

/** Brings the rows of the application as it was into one tenant. */
@Injectable()
export class OldNotes {
  constructor(
    @InjectTenantRepository(Notebook) private readonly notebooks: TenantRepository<Notebook>,
    @InjectTenantRepository(Note) private readonly notes: TenantRepository<Note>,
    private readonly transaction: TenantTransaction,
    private readonly directory: TenantDirectory,
    private readonly runner: TenantRunner,
  ) {}

  /**
   * Page by page, each in a transaction of its own. What is there already stays as it is: after an end half-way, and for what
   * was written meanwhile, run it again.
   *
   * @param url of the database as it was; only read
   * @returns how many rows are new
   */
  async bring(url: string, slug: string): Promise<Brought> {
    const tenant = await this.directory.findBySlug(slug);
    if (!tenant) throw new Error(`There is no tenant ${slug}.`);
    const old = new pg.Client({ connectionString: url });
    await old.connect();
    try {
      return await this.runner.run(tenant, async () => ({
        notebooks: await eachPage<OldNotebook>(old, NOTEBOOKS, (rows) => this.addNotebooks(rows)),
        notes: await eachPage<OldNote>(old, NOTES, (rows) => this.addNotes(rows)),
      }));
    } finally {
      await old.end();
    }
  }

  private addNotebooks(rows: OldNotebook[]): Promise<number> {
    return this.transaction.run(async () => {
      const known = await this.notebooks.findBy({ oldId: In(rows.map(({ id }) => id)) });
      const there = new Set(known.map(({ oldId }) => oldId));
      const added = rows.filter(({ id }) => !there.has(id));
      if (added.length > 0) {
        await this.notebooks.insert(
          added.map(({ id, name, created_at }) => ({ id: newId(), name, createdAt: created_at, oldId: id })),
        );
      }
      return added.length;
    });
  }

  private addNotes(rows: OldNote[]): Promise<number> {
    return this.transaction.run(async () => {
      const known = await this.notes.findBy({ oldId: In(rows.map(({ id }) => id)) });
      const there = new Set(known.map(({ oldId }) => oldId));
      const notebooks = await this.notebooks.findBy({ oldId: In(rows.map(({ notebook_id }) => notebook_id)) });
      const ids = new Map(notebooks.map(({ id, oldId }) => [oldId, id]));
      // A notebook that came after they were read is for the next run, and its notes with it.
      const added = rows.filter(({ id, notebook_id }) => !there.has(id) && ids.has(notebook_id));
      if (added.length > 0) {
        await this.notes.insert(
          added.map(({ id, notebook_id, content, pinned, created_at }) => ({
            ...{ id: newId(), notebookId: ids.get(notebook_id)!, content, pinned, createdAt: created_at },
            oldId: id,
          })),
        );
      }
      return added.length;
    });
  }
}

/** In the order of their ids, in which new ones are given, too. */
async function eachPage<Row extends { id: number }>(
  old: pg.Client,
  sql: string,
  add: (rows: Row[]) => Promise<number>,
): Promise<number> {
  let added = 0;
  for (let last = 0; ;) {
    const { rows } = await old.query<Row>(sql, [last, PAGE]);
    if (rows.length === 0) return added;
    added += await add(rows);
    last = rows.at(-1)!.id;
  }
}
