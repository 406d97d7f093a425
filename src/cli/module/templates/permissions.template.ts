import type { ModuleShape } from '../module.shape.js';

export function permissions({ names }: ModuleShape): string {
  return `import { declarePermission } from '../auth/index.js';

export const ${names.CONSTANT}_READ = declarePermission({
  name: '${names.singular}:read',
  about: 'Read ${names.words}',
  roles: ['admin', 'member', 'viewer'],
});

export const ${names.CONSTANT}_WRITE = declarePermission({
  name: '${names.singular}:write',
  about: 'Add, change and delete ${names.words}',
  roles: ['admin', 'member'],
});
`;
}
