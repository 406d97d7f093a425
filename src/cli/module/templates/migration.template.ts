import { each, migrationClass, type ModuleShape } from '../module.shape.js';

export function migration(shape: ModuleShape): string {
  const { names, fields } = shape;
  const name = migrationClass(shape);
  const columns = each(
    fields,
    (field) => `      ${field.name} ${field.type.column}${field.optional ? '' : ' NOT NULL'},`,
  );
  return `import type { MigrationInterface, QueryRunner } from 'typeorm';
import { isolateTable } from '../../src/tenancy/index.js';

export class ${name} implements MigrationInterface {
  name = '${name}';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(\`CREATE TABLE ${names.table} (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
${columns}
      revision integer NOT NULL,
      created_at timestamptz NOT NULL,
      updated_at timestamptz NOT NULL,
      PRIMARY KEY (tenant_id, id)
    )\`);
    await isolateTable(runner, '${names.table}');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE ${names.table}');
  }
}
`;
}
