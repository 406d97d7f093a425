import type { ModuleShape } from '../module.shape.js';

export function errors({ names }: ModuleShape): string {
  return `import { AppError } from '../common/index.js';

/** Unknown, deleted, or of another tenant: one answer. */
export class ${names.Singular}NotFound extends AppError {
  constructor() {
    super({
      status: 404,
      code: '${names.code}_not_found',
      detail: 'There is no such ${names.word}.',
      remedy: 'GET /api/${names.plural} lists those that there are.',
    });
  }
}
`;
}
