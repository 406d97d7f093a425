import { Global, Module } from '@nestjs/common';
import { ENV } from '../database/index.js';
import { FileArchives } from './file.archives.js';
import { FileLinks } from './file.links.js';
import { FilePersonalData } from './file.personal-data.js';
import { FilePurge } from './file.purge.js';
import { FileRemoval } from './file.removal.js';
import { FileRows } from './file.rows.js';
import { FILE_STORAGE, fileStorage } from './file.storage.js';
import { FileSweep } from './file.sweep.js';
import { FilesController } from './files.controller.js';
import { TenantFiles } from './tenant.files.js';

@Global()
@Module({
  controllers: [FilesController],
  providers: [
    { provide: FILE_STORAGE, useFactory: fileStorage, inject: [ENV] },
    FileArchives,
    FileLinks,
    FilePersonalData,
    FilePurge,
    FileRemoval,
    FileRows,
    FileSweep,
    TenantFiles,
  ],
  exports: [TenantFiles],
})
export class FilesModule {}
