import pg from 'pg';
import type { TestDatabase } from './test-database.js';

/**
 * Where a move can be made to stop: as it is noted that a step begins, that the copy has come to a table or that the state
 * changes; as the source is closed; and as the registry learns of the new place. The same of a restore.
 */
export type GatePoint =
  `${'step' | 'table' | 'state'} ${string}` | `restore ${'step' | 'state'} ${string}` | 'closing' | 'registry';

const INSTALL = `
CREATE TABLE public.gates (slug text, point text, sleeps boolean NOT NULL, PRIMARY KEY (slug, point));
CREATE FUNCTION public.pass(tenant uuid, point text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE gate public.gates;
BEGIN
  SELECT g.* INTO gate FROM public.gates g JOIN platform.tenants t ON t.slug = g.slug WHERE t.id = tenant AND g.point = pass.point;
  IF NOT FOUND THEN RETURN; END IF;
  IF gate.sleeps THEN PERFORM pg_sleep(600); ELSE PERFORM pg_advisory_xact_lock(hashtext('gate:' || gate.slug)); END IF;
END $$;
CREATE FUNCTION public.on_moves() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
  IF NEW.step <> OLD.step THEN PERFORM public.pass(NEW.tenant_id, 'step ' || NEW.step); END IF;
  IF NEW.table_name IS DISTINCT FROM OLD.table_name THEN PERFORM public.pass(NEW.tenant_id, 'table ' || NEW.table_name); END IF;
  IF NEW.state <> OLD.state THEN PERFORM public.pass(NEW.tenant_id, 'state ' || NEW.state); END IF;
  RETURN NEW; END $$;
CREATE TRIGGER gates BEFORE UPDATE ON platform.moves FOR EACH ROW EXECUTE FUNCTION public.on_moves();
CREATE FUNCTION public.on_restores() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
  IF NEW.step <> OLD.step THEN PERFORM public.pass(NEW.tenant_id, 'restore step ' || NEW.step); END IF;
  IF NEW.state <> OLD.state THEN PERFORM public.pass(NEW.tenant_id, 'restore state ' || NEW.state); END IF;
  RETURN NEW; END $$;
CREATE TRIGGER gates BEFORE UPDATE ON platform.restores FOR EACH ROW EXECUTE FUNCTION public.on_restores();
CREATE FUNCTION public.on_tenants() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
  PERFORM public.pass(NEW.id, 'registry'); RETURN NEW; END $$;
CREATE TRIGGER gates BEFORE UPDATE OF placement ON platform.tenants FOR EACH ROW EXECUTE FUNCTION public.on_tenants();
CREATE FUNCTION public.on_closures() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN
  IF EXISTS (SELECT FROM platform.moves m WHERE m.tenant_id = NEW.tenant_id AND m.state = 'running'
               AND coalesce(m.source->>'schema', 'shared') = NEW.place
             UNION ALL SELECT FROM platform.restores r WHERE r.tenant_id = NEW.tenant_id AND r.state = 'swapping'
               AND coalesce(r.source->>'schema', 'shared') = NEW.place) THEN
    PERFORM public.pass(NEW.tenant_id, 'closing'); END IF;
  RETURN NEW; END $$;
CREATE TRIGGER gates BEFORE INSERT ON shared.closures FOR EACH ROW EXECUTE FUNCTION public.on_closures()`;

const STOPPED = `SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
  AND (wait_event = 'PgSleep' OR (wait_event_type = 'Lock' AND wait_event = 'advisory'))`;

/** Stops moves where a test wants them. */
export class MoveGates {
  private holder: pg.Client | undefined;

  private constructor(private readonly database: TestDatabase) {}

  static async install(database: TestDatabase): Promise<MoveGates> {
    await database.admin(INSTALL);
    return new MoveGates(database);
  }

  /** Whoever comes to the gate stays there, for a process to be killed at. */
  async trap(slug: string, point: GatePoint): Promise<void> {
    await this.database.admin('INSERT INTO public.gates VALUES ($1, $2, true)', [slug, point]);
  }

  /** Whoever comes to the gate waits until it is opened. */
  async shut(slug: string, point: GatePoint): Promise<void> {
    this.holder = new pg.Client({ connectionString: this.database.adminUrl });
    await this.holder.connect();
    await this.holder.query('SELECT pg_advisory_lock(hashtext($1))', [`gate:${slug}`]);
    await this.database.admin('INSERT INTO public.gates VALUES ($1, $2, false)', [slug, point]);
  }

  /** Backends that stand at a gate. */
  async stopped(): Promise<number[]> {
    return (await this.database.admin<{ pid: number }>(STOPPED)).map(({ pid }) => pid);
  }

  async open(): Promise<void> {
    await this.database.admin('DELETE FROM public.gates');
    await this.holder?.end();
    this.holder = undefined;
  }

  /** After a process was killed at a gate: its backend would not notice before the sleep is over. */
  async clear(): Promise<void> {
    const pids = await this.stopped();
    await this.open();
    for (const pid of pids) await this.database.admin('SELECT pg_terminate_backend($1)', [pid]);
  }
}
