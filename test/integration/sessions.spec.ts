import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SessionPurge } from '../../src/session/index.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

describe('chat sessions', () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await createTestApp();
  });
  afterAll(() => t.close());

  const rows = () =>
    t.database.admin<{ idle: number }>(
      `SELECT extract(epoch FROM now() - last_active_at)::int AS idle FROM shared.chat_sessions ORDER BY created_at`,
    );

  it('are stored as a hash, never as the credential', async () => {
    const session = await t.session('acme');
    const [row] = await t.database.admin<{ row: string }>(
      `SELECT chat_sessions::text AS row FROM shared.chat_sessions LIMIT 1`,
    );
    expect(row?.row).not.toContain(session);
  });

  it('do not write activity at every request', async () => {
    const session = await t.session('acme');
    const read = () => t.request('GET', `/acme/api/sessions/${session}`);
    await t.database.admin(`UPDATE shared.chat_sessions SET last_active_at = now() - interval '4 minutes'`);
    await read();
    expect((await rows()).every((row) => row.idle >= 239)).toBe(true);
  });

  it('are purged with their messages once expired, in every tenant, by the maintenance role', async () => {
    await t.database.admin('DELETE FROM shared.chat_sessions');
    const [acme, globex] = [await t.session('acme'), await t.session('globex')];
    await t.request('POST', '/chat', { body: { tenant_id: 'acme', session_id: acme, message: 'hi' } });
    await t.database.admin(`UPDATE shared.chat_sessions SET last_active_at = now() - interval '25 hours'`);
    const fresh = await t.session('globex');
    expect(await t.app.get(SessionPurge, { strict: false }).purge()).toBe(2);
    expect(await t.database.admin('SELECT id FROM shared.chat_messages')).toEqual([]);
    expect((await t.request('GET', `/globex/api/sessions/${fresh}`)).status).toBe(200);
    expect((await t.request('GET', `/globex/api/sessions/${globex}`)).status).toBe(404);
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
