import type { ModuleShape } from '../module.shape.js';

export function index({ names }: ModuleShape): string {
  const { Singular, Plural, singular, plural } = names;
  return `export { ${Singular} } from './${singular}.entity.js';
export * from './${singular}.errors.js';
export * from './${singular}.permissions.js';
export { ${Plural}Module } from './${plural}.module.js';
export { ${Plural}Service } from './${plural}.service.js';
`;
}
