import type { Field } from '../module.fields.js';
import { each, type ModuleShape } from '../module.shape.js';

export function entity({ names, fields }: ModuleShape): string {
  const column = ({ name, property, type, optional }: Field) => {
    const options = [...(name === property ? [] : [`name: '${name}'`]), ...(optional ? ['nullable: true'] : [])];
    return `  @Column('${type.column}'${options.length > 0 ? `, { ${options.join(', ')} }` : ''})
  ${property}: ${type.property}${optional ? ' | null' : ''};
`;
  };
  return `import { Column, Entity } from 'typeorm';
import { TenantOwned } from '../tenancy/index.js';

@Entity('${names.table}')
export class ${names.Singular} extends TenantOwned {
${each(fields, column)}
  /** Raised by each change: what If-Match asks for. */
  @Column('integer')
  revision: number;

  @Column('timestamptz', { name: 'created_at' })
  createdAt: Date;

  @Column('timestamptz', { name: 'updated_at' })
  updatedAt: Date;
}
`;
}
