import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { PlaceDirectory } from '../../src/database/index.js';
import { SessionPurge, SessionService } from '../../src/session/index.js';
import { CredentialCodec } from '../../src/tenancy/index.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

describe('chat sessions', () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await createTestApp();
  });
  afterAll(() => t.close());

  it('are stored as a hash, never as the credential', async () => {
    const session = await t.session('acme');
    const [row] = await t.database.admin<{ row: string }>(
      `SELECT chat_sessions::text AS row FROM everywhere.chat_sessions LIMIT 1`,
    );
    expect(row?.row).not.toContain(session);
  });

  it.each([
    ['not noted before five minutes', '4 minutes', false],
    ['noted after five minutes', '6 minutes', true],
  ])('have their activity %s', async (_name, idle, noted) => {
    // Made by hand, because the application remembers the activity of a session that it opened itself.
    const codec = t.app.get(CredentialCodec);
    const acme = await t.tenant('acme');
    const credential = codec.mint('session', acme.id);
    const [before] = await t.database.admin<{ id: string; at: Date }>(
      `INSERT INTO everywhere.chat_sessions (tenant_id, id, token_hash, last_active_at)
       VALUES ($1, gen_random_uuid(), $2, now() - $3::interval) RETURNING id, last_active_at AS at`,
      [acme.id, codec.hash(credential), idle],
    );
    for (let n = 0; n < 2; n += 1) {
      expect((await t.request('GET', `/acme/api/sessions/${credential}`)).status).toBe(200);
    }
    // The note is written behind the answer; this is how a shutdown waits for it.
    await t.app.get(SessionService, { strict: false }).onApplicationShutdown();
    const [after] = await t.database.admin<{ at: Date; recent: boolean }>(
      `SELECT last_active_at AS at, last_active_at > now() - interval '1 minute' AS recent
         FROM everywhere.chat_sessions WHERE id = $1`,
      [before?.id],
    );
    expect(after).toEqual({ at: noted ? expect.any(Date) : before?.at, recent: noted });
  });

  it('are purged with their messages once expired, in every tenant, by the maintenance role', async () => {
    await t.database.admin('DELETE FROM everywhere.chat_sessions');
    const [acme, globex] = [await t.session('acme'), await t.session('globex')];
    await t.request('POST', '/chat', { body: { tenant_id: 'acme', session_id: acme, message: 'hi' } });
    await t.database.admin(`UPDATE everywhere.chat_sessions SET last_active_at = now() - interval '25 hours'`);
    const fresh = await t.session('globex');
    expect(await t.app.get(SessionPurge, { strict: false }).purge()).toMatchObject({ sessions: 2 });
    expect(await t.database.admin('SELECT id FROM everywhere.chat_messages')).toEqual([]);
    expect((await t.request('GET', `/globex/api/sessions/${fresh}`)).status).toBe(200);
    expect((await t.request('GET', `/globex/api/sessions/${globex}`)).status).toBe(404);
  });

  it('stop being purged after the batch at hand when the process stops', async () => {
    const acme = await t.tenant('acme');
    await t.database.admin(
      `INSERT INTO everywhere.chat_sessions (tenant_id, id, token_hash, last_active_at)
       SELECT $1, gen_random_uuid(), sha256(n::text::bytea), now() - interval '25 hours' FROM generate_series(1, 12000) n`,
      [acme.id],
    );
    const blocker = new pg.Client({ connectionString: t.database.adminUrl });
    await blocker.connect();
    await blocker.query(t.database.placed('BEGIN; SELECT 1 FROM everywhere.chat_sessions FOR UPDATE'));
    const purge = new SessionPurge(t.database.prepared, t.app.get(PlaceDirectory));
    const purged = purge.purge();
    // In whichever of its databases acme's place is.
    const waiting = `SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'
      AND datname IN (SELECT current_database() UNION SELECT name FROM platform.places)`;
    await expect.poll(() => t.database.admin(waiting), { timeout: 10_000 }).toHaveLength(1);
    await purge.onApplicationShutdown();
    await blocker.query('COMMIT');
    await blocker.end();
    expect(await purged).toMatchObject({ sessions: 5000 });
  });

  it('are not opened for visitors of a tenant that takes none', async () => {
    await t.import([{ slug: 'private', settings: { 'chat.public': false } }]);
    const answer = await t.request('POST', '/session', { body: { tenant_id: 'private' } });
    expect([answer.status, answer.json.code]).toEqual([401, 'sign_in_required']);
  });

  it('answer 503 for a model that nobody provides, and store nothing', async () => {
    await t.import([{ slug: 'dreamer', settings: { model: 'gpt-unknown' } }]);
    const session = await t.session('dreamer');
    const answer = await t.request('POST', '/chat', {
      body: { tenant_id: 'dreamer', session_id: session, message: 'hi' },
    });
    expect([answer.status, answer.json.code]).toEqual([503, 'model_unavailable']);
    expect((await t.request('GET', `/dreamer/api/sessions/${session}/messages`)).json.items).toEqual([]);
  });
});
