import { Body, Controller, Get, HttpCode, Param, Post } from '@nestjs/common';
import { ApiBearerAuth, ApiTags } from '@nestjs/swagger';
import { ApiTenantHeader, declarePermission, RequiresPermission } from 'tenantry';
import type { Note } from './note.entity.js';
import type { Notebook } from './notebook.entity.js';
import { NotebookRequest, NoteRequest } from './notes.dto.js';
import { NotesService } from './notes.service.js';

const READ = declarePermission({ name: 'note:read', about: 'Read notes', roles: ['admin', 'member', 'viewer'] });
const WRITE = declarePermission({ name: 'note:write', about: 'Write notes', roles: ['admin', 'member'] });

@ApiTags('notes')
@ApiBearerAuth('bearer')
@ApiTenantHeader()
@Controller('api')
export class NotesController {
  constructor(private readonly notes: NotesService) {}

  @Post('notebooks')
  @RequiresPermission(WRITE)
  async addNotebook(@Body() { name }: NotebookRequest): Promise<object> {
    return shown(await this.notes.addNotebook(name));
  }

  @Get('notebooks')
  @RequiresPermission(READ)
  async listNotebooks(): Promise<object[]> {
    return (await this.notes.listNotebooks()).map(shown);
  }

  @Get('notebooks/summary')
  @RequiresPermission(READ)
  summary(): Promise<object[]> {
    return this.notes.summary();
  }

  @Post('notebooks/:id/notes')
  @RequiresPermission(WRITE)
  async addNote(@Param('id') id: string, @Body() { content }: NoteRequest): Promise<object> {
    return shown(await this.notes.addNote(id, content));
  }

  @Get('notebooks/:id/notes')
  @RequiresPermission(READ)
  async listNotes(@Param('id') id: string): Promise<object[]> {
    return (await this.notes.listNotes(id)).map(shown);
  }

  @Post('notes/:id/pin')
  @HttpCode(200)
  @RequiresPermission(WRITE)
  async pin(@Param('id') id: string): Promise<object> {
    return shown(await this.notes.pin(id));
  }
}

/** The tenant is known to whoever asks; what an id was is nobody's business. */
function shown({ tenantId: _tenant, oldId: _old, ...row }: Note | Notebook): object {
  return row;
}
