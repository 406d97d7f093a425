import { Injectable, type OnModuleInit } from '@nestjs/common';
import { type MessagesOfTheDeleted, PersonalData } from '../auth/index.js';
import type { Page } from '../common/index.js';
import { TenantJobs } from '../jobs/index.js';
import { FileView } from './file.dto.js';
import { REMOVE_FILES } from './file.removal.js';
import { FileRows } from './file.rows.js';

const PAGE = 500;

/**
 * The files that a person has uploaded. The download lists them, and each is at /api/files/{id}/content. Whoever leaves
 * takes them along, or leaves them to the tenant without a name, as with messages.
 */
@Injectable()
export class FilePersonalData implements OnModuleInit {
  constructor(
    private readonly rows: FileRows,
    private readonly personal: PersonalData,
    private readonly jobs: TenantJobs,
  ) {}

  onModuleInit(): void {
    this.personal.register({
      name: 'files',
      page: (userId, cursor) => this.page(userId, cursor),
      forget: (userId, messages) => this.forget(userId, messages),
    });
  }

  private async page(userId: string, before: string | undefined): Promise<Page<FileView>> {
    const rows = await this.rows.page(PAGE, before, userId);
    const next = rows.length === PAGE ? (rows.at(-1)?.id ?? null) : null;
    return { items: rows.map((file) => FileView.of(file)), next_cursor: next };
  }

  private async forget(userId: string, messages: MessagesOfTheDeleted): Promise<void> {
    // The bytes only once it is certain that the person goes.
    if (messages === 'remove' && (await this.rows.condemnAllOf(userId)) > 0) await this.jobs.enqueue(REMOVE_FILES);
    await this.rows.forgetUploader(userId);
  }
}
