import { migrationPath, type ModuleShape } from './module.shape.js';
import { controller } from './templates/controller.template.js';
import { copies } from './templates/copies.template.js';
import { dto } from './templates/dto.template.js';
import { entity } from './templates/entity.template.js';
import { errors } from './templates/errors.template.js';
import { index } from './templates/index.template.js';
import { migration } from './templates/migration.template.js';
import { nestModule } from './templates/nest-module.template.js';
import { permissions } from './templates/permissions.template.js';
import { service } from './templates/service.template.js';
import { spec } from './templates/spec.template.js';

/** The new files of a module, by their path; what they say is formatted afterwards. */
export function moduleFiles(shape: ModuleShape): Map<string, string> {
  const { plural, singular } = shape.names;
  const folder = `src/${plural}`;
  return new Map([
    [`${folder}/${singular}.entity.ts`, entity(shape)],
    [`${folder}/${singular}.dto.ts`, dto(shape)],
    [`${folder}/${singular}.errors.ts`, errors(shape)],
    [`${folder}/${singular}.permissions.ts`, permissions(shape)],
    [`${folder}/${singular}.copies.ts`, copies(shape)],
    [`${folder}/${plural}.service.ts`, service(shape)],
    [`${folder}/${plural}.controller.ts`, controller(shape)],
    [`${folder}/${plural}.module.ts`, nestModule(shape)],
    [`${folder}/index.ts`, index(shape)],
    [migrationPath(shape), migration(shape)],
    [`test/e2e/${plural}.spec.ts`, spec(shape)],
  ]);
}
