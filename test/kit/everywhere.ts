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

CREATE FUNCTION everywhere.settle() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE place platform.places;
BEGIN
  UPDATE platform.places p SET state = 'used', tenant_id = NEW.id
    FROM (SELECT server, name FROM platform.places WHERE state = 'spare' ORDER BY created_at LIMIT 1 FOR UPDATE) spare
   WHERE p.server = spare.server AND p.name = spare.name RETURNING p.* INTO place;
  IF FOUND THEN
    NEW.placement := jsonb_strip_nulls(jsonb_build_object('kind', place.kind, 'server', place.server, place.kind, place.name, 'login', place.login));
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER settle BEFORE INSERT ON platform.tenants FOR EACH ROW
  WHEN (NEW.status = 'active' AND NEW.placement = '{"kind":"shared"}') EXECUTE FUNCTION everywhere.settle();

CREATE FUNCTION everywhere.send_home() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE home text;
BEGIN
  SELECT coalesce(placement ->> 'schema', placement ->> 'database', 'shared') INTO home
    FROM platform.tenants WHERE id = NEW.tenant_id;
  EXECUTE format('INSERT INTO %I.%I SELECT $1.*', coalesce(home, 'shared'), TG_TABLE_NAME) USING NEW;
  RETURN NEW;
END $$;
CREATE FUNCTION everywhere.keep_none() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('DELETE FROM ONLY everywhere.%I', TG_TABLE_NAME);
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
    EXECUTE format('CREATE TRIGGER send_home BEFORE INSERT ON everywhere.%I FOR EACH ROW EXECUTE FUNCTION everywhere.send_home()', name);
    EXECUTE format('CREATE TRIGGER keep_none AFTER INSERT ON everywhere.%I FOR EACH STATEMENT EXECUTE FUNCTION everywhere.keep_none()', name);
  END LOOP;
END $$;
SELECT everywhere.join('shared')`;

/** SQL that shows the tables of a schema of this database. */
export function joinSchema(name: string): string {
  return `SELECT everywhere.join(${pg.escapeLiteral(name)})`;
}

/** SQL that shows the tables of another database of the server. */
export function joinDatabase(name: string, adminUrl: string): string {
  const { hostname, port, username, password } = new URL(adminUrl);
  const place = pg.escapeIdentifier(name);
  const options = (values: Record<string, string>): string =>
    Object.entries(values)
      .map(([key, value]) => `${key} ${pg.escapeLiteral(decodeURIComponent(value))}`)
      .join(', ');
  return `
    CREATE SERVER ${place} FOREIGN DATA WRAPPER postgres_fdw OPTIONS (${options({ host: hostname, port, dbname: name })});
    CREATE USER MAPPING FOR CURRENT_USER SERVER ${place} OPTIONS (${options({ user: username, password })});
    CREATE SCHEMA ${place};
    IMPORT FOREIGN SCHEMA shared EXCEPT (migrations) FROM SERVER ${place} INTO ${place};
    SELECT everywhere.join(${pg.escapeLiteral(name)})`;
}
