export * from './file.errors.js';
export { FilePurge } from './file.purge.js';
export { FILE_ANY, FILE_READ, FILE_WRITE } from './file.permissions.js';
export { FILE_STORAGE } from './file.storage.js';
export { FileSweep } from './file.sweep.js';
export { FilesModule } from './files.module.js';
export type { FileSource } from './incoming.file.js';
export { TenantFile } from './tenant-file.entity.js';
export { type FileLimits, type NewFile, type OpenedFile, TenantFiles } from './tenant.files.js';
