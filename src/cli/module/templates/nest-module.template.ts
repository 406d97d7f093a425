import type { ModuleShape } from '../module.shape.js';

export function nestModule({ names }: ModuleShape): string {
  const { Singular, Plural } = names;
  return `import { Module } from '@nestjs/common';
import { ${Singular}Copies } from './${names.singular}.copies.js';
import { ${Plural}Controller } from './${names.plural}.controller.js';
import { ${Plural}Service } from './${names.plural}.service.js';

@Module({
  controllers: [${Plural}Controller],
  providers: [${Plural}Service, ${Singular}Copies],
  exports: [${Plural}Service],
})
export class ${Plural}Module {}
`;
}
