import { pipeline } from 'node:stream/promises';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { ObjectStorage } from '../storage/index.js';
import { TenantContext } from '../tenancy/index.js';
import { ArchiveInvalid, ArchiveRules, TenantCopies, TenantErasure } from '../tenant/index.js';
import { FileRows } from './file.rows.js';
import { InjectFileStorage } from './file.storage.js';
import { TenantFile } from './tenant-file.entity.js';

/** What becomes of files when their tenant is archived, backed up, restored, copied or erased. Moves bring rows alone. */
@Injectable()
export class FileArchives implements OnModuleInit {
  constructor(
    @InjectFileStorage() private readonly storage: ObjectStorage,
    private readonly rows: FileRows,
    private readonly context: TenantContext,
    private readonly rules: ArchiveRules,
    private readonly copies: TenantCopies,
    private readonly erasure: TenantErasure,
  ) {}

  onModuleInit(): void {
    this.rules.register('tenant_files', {
      bytes: {
        has: (value) => value('state') === 'stored',
        open: (tenantId, id) => this.storage.open(tenantId, id),
        put: (id, source) => this.put(id, source),
      },
    });
    this.copies.leaveOut([[TenantFile, 'may show people, of whom a copy knows nothing but names']]);
    this.erasure.registerStash({
      name: 'files',
      countOf: (tenantId) => this.storage.countOf(tenantId),
      removeAll: (tenantId) => this.storage.removeAll(tenantId),
    });
  }

  /** What has a name in the store never changes: what is there is right. */
  private async put(id: string, source: AsyncIterable<Buffer>): Promise<void> {
    const { id: tenantId } = this.context.currentOrThrow('A file');
    const file = await this.rows.find(id);
    if (!file || (await this.storage.has(tenantId, id))) return;
    const written = await this.storage.write(tenantId, id, (out) => pipeline(source, out));
    try {
      if (written.bytes !== file.bytes || written.sha256 !== file.sha256) {
        throw new ArchiveInvalid('a file of it is not what its row says');
      }
      await written.keep();
    } finally {
      await written.discard();
    }
  }
}
