import pg from 'pg';

/**
 * The schema `everywhere` shows the superuser each tenant-owned table with the rows of all places, as PostgreSQL lets a
 * table stand for those that inherit from it. A row that is added goes to its tenant's place. Product roles do not reach
 * it. Tables of another database come in as foreign tables, in a schema that has the name of that database.
 *
 * `everywhere.settle` gives an imported tenant a spare place before anything can be served from another.
 */
export const INSTALL = `
CREATE EXTENSION postgres_fdw;
CREATE SCHEMA everywhere;

-- Places for tenants to come. They are used as far as the product knows: it drops spare ones above its number.
CREATE TABLE everywhere.spares (place text PRIMARY KEY, made_at timestamptz NOT NULL DEFAULT clock_timestamp());

CREATE FUNCTION everywhere.settle() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE spare text; place platform.places;
BEGIN
  DELETE FROM everywhere.spares s USING (SELECT s.place FROM everywhere.spares s ORDER BY made_at LIMIT 1 FOR UPDATE) next
   WHERE s.place = next.place RETURNING s.place INTO spare;
  UPDATE platform.places p SET tenant_id = NEW.id WHERE p.name = spare RETURNING p.* INTO place;
  IF FOUND THEN
    NEW.placement := jsonb_strip_nulls(jsonb_build_object('kind', place.kind, 'server', place.server, place.kind, place.name, 'login', place.login));
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER settle BEFORE INSERT ON platform.tenants FOR EACH ROW
  WHEN (NEW.status = 'active' AND NEW.placement = '{"kind":"shared"}') EXECUTE FUNCTION everywhere.settle();

CREATE FUNCTION everywhere.home(tenant uuid) RETURNS text STABLE LANGUAGE sql AS $$
  SELECT coalesce((SELECT coalesce(placement ->> 'schema', placement ->> 'database') FROM platform.tenants WHERE id = tenant), 'shared')
$$;
-- After the statement: what it reads of a place may not include what it puts there.
CREATE FUNCTION everywhere.send_home() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE home text;
BEGIN
  FOR home IN EXECUTE format('SELECT DISTINCT everywhere.home(tenant_id) FROM ONLY everywhere.%I', TG_TABLE_NAME) LOOP
    EXECUTE format('INSERT INTO %1$I.%2$I SELECT * FROM ONLY everywhere.%2$I WHERE everywhere.home(tenant_id) = %1$L', home, TG_TABLE_NAME);
  END LOOP;
  EXECUTE format('DELETE FROM ONLY everywhere.%I', TG_TABLE_NAME);
  RETURN NULL;
END $$;
-- A process that changes an outbox says so; one that is changed here would be found by the next sweep only.
CREATE FUNCTION everywhere.ring() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_notify('tenantry_outbox', id::text) FROM platform.tenants WHERE placement <> '{"kind":"shared"}';
  RETURN NULL;
END $$;

CREATE FUNCTION everywhere.join(place text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE name text; kind text;
BEGIN
  FOR name, kind IN SELECT c.relname, CASE c.relkind WHEN 'f' THEN 'FOREIGN TABLE' ELSE 'TABLE' END FROM pg_class c
                     WHERE c.relnamespace = place::regnamespace AND c.relkind IN ('r', 'p', 'f') AND c.relname <> 'migrations' LOOP
    EXECUTE format('ALTER %s %I.%I INHERIT everywhere.%I', kind, place, name, name);
  END LOOP;
END $$;

-- What is erased is seen no more.
CREATE FUNCTION everywhere.leave() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  EXECUTE format('DROP SERVER IF EXISTS %I CASCADE', OLD.name);
  EXECUTE format('DROP SCHEMA IF EXISTS %I CASCADE', OLD.name);
  RETURN NULL;
END $$;
CREATE TRIGGER leave AFTER DELETE ON platform.places FOR EACH ROW
  WHEN (OLD.kind = 'database') EXECUTE FUNCTION everywhere.leave();

DO $$
DECLARE name text;
BEGIN
  FOR name IN SELECT relname FROM pg_class WHERE relnamespace = 'shared'::regnamespace AND relkind IN ('r', 'p')
                 AND relname <> 'migrations' LOOP
    EXECUTE format('CREATE TABLE everywhere.%I (LIKE shared.%I INCLUDING DEFAULTS INCLUDING GENERATED)', name, name);
    EXECUTE format('CREATE TRIGGER send_home AFTER INSERT ON everywhere.%I FOR EACH STATEMENT EXECUTE FUNCTION everywhere.send_home()', name);
  END LOOP;
END $$;
CREATE TRIGGER ring AFTER INSERT OR UPDATE ON everywhere.outbox_events FOR EACH STATEMENT EXECUTE FUNCTION everywhere.ring();
SELECT everywhere.join('shared')`;

/** SQL that shows the tables of a schema of this database, and keeps it for a tenant. */
export function joinSchema(name: string): string {
  return `SELECT everywhere.join(${pg.escapeLiteral(name)}); ${keep(name)}`;
}

/** The same for the tables of another database of the server. */
export function joinDatabase(name: string, adminUrl: string): string {
  const { hostname, port, username, password } = new URL(adminUrl);
  const place = pg.escapeIdentifier(name);
  const options = (values: Record<string, string>): string =>
    Object.entries(values)
      .map(([key, value]) => `${key} ${pg.escapeLiteral(decodeURIComponent(value))}`)
      .join(', ');
  return `
    CREATE SERVER ${place} FOREIGN DATA WRAPPER postgres_fdw OPTIONS (${options({ host: hostname, port, dbname: name, batch_size: '500', fetch_size: '1000' })});
    CREATE USER MAPPING FOR CURRENT_USER SERVER ${place} OPTIONS (${options({ user: username, password })});
    CREATE SCHEMA ${place};
    IMPORT FOREIGN SCHEMA shared EXCEPT (migrations) FROM SERVER ${place} INTO ${place};
    SELECT everywhere.join(${pg.escapeLiteral(name)}); ${keep(name)}`;
}

function keep(name: string): string {
  return `INSERT INTO everywhere.spares (place) VALUES (${pg.escapeLiteral(name)})`;
}
