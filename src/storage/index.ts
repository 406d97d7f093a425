export { DirectoryStorage } from './directory.storage.js';
export * from './object.storage.js';
export { objectStorage, type StoragePlace } from './chosen.storage.js';
