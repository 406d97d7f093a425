import { declarePermission } from '../auth/index.js';

/** The permission to read the own files. */
export const FILE_READ = declarePermission({
  name: 'file:read',
  about: 'Read the own files',
  roles: ['admin', 'member', 'viewer'],
});

/** The permission to upload files and to delete the own ones. */
export const FILE_WRITE = declarePermission({
  name: 'file:write',
  about: 'Upload files, delete the own ones',
  roles: ['admin', 'member'],
});

/** Beside file:read and file:write, which say what may be done at all. */
export const FILE_ANY = declarePermission({
  name: 'file:any',
  about: "Do to everybody's files what may be done to the own ones",
  roles: ['admin'],
  sensitive: true,
});
