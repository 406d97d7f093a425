import { isolateTable } from 'tenantry';
import type { MigrationInterface, QueryRunner } from 'typeorm';

export class CreateOrders1796083200003 implements MigrationInterface {
  name = 'CreateOrders1796083200003';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(`CREATE TABLE items (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      name text NOT NULL,
      price_minor integer NOT NULL CONSTRAINT items_price CHECK (price_minor >= 0),
      currency char(3) NOT NULL,
      stock integer NOT NULL CONSTRAINT items_stock CHECK (stock >= 0),
      PRIMARY KEY (tenant_id, id)
    )`);
    await isolateTable(runner, 'items');
    await runner.query(`CREATE TABLE orders (
      tenant_id uuid NOT NULL,
      id uuid NOT NULL,
      item_id uuid NOT NULL,
      owner_id uuid,
      quantity integer NOT NULL CONSTRAINT orders_quantity CHECK (quantity > 0),
      total_minor bigint NOT NULL,
      currency char(3) NOT NULL,
      status text NOT NULL CONSTRAINT orders_status_known
        CHECK (status IN ('placed', 'approved', 'delivered', 'cancelled')),
      created_at timestamptz NOT NULL DEFAULT now(),
      PRIMARY KEY (tenant_id, id),
      CONSTRAINT orders_item FOREIGN KEY (tenant_id, item_id) REFERENCES items (tenant_id, id),
      CONSTRAINT orders_owner FOREIGN KEY (tenant_id, owner_id) REFERENCES owners (tenant_id, id) ON DELETE SET NULL (owner_id)
    )`);
    await runner.query('CREATE INDEX orders_by_item ON orders (tenant_id, item_id)');
    await runner.query('CREATE INDEX orders_by_owner ON orders (tenant_id, owner_id)');
    await isolateTable(runner, 'orders');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE orders');
    await runner.query('DROP TABLE items');
  }
}
