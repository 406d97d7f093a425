import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { TenantKeys } from '../../src/secrets/index.js';
import { PLATFORM_DATA_SOURCE, TenantRunner } from '../../src/tenancy/index.js';
import { readArchive, TenantErasure, TenantExporter, TenantImporter } from '../../src/tenant/index.js';
import { signIn } from '../kit/sign-in.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

let t: TestApp;
let folder: string;
beforeAll(async () => {
  t = await createTestApp();
  folder = await mkdtemp(path.join(os.tmpdir(), 'tenantry-encrypted-chat-'));
});
afterAll(async () => {
  await t.close();
  await rm(folder, { recursive: true, force: true });
});

const SECRET = 'the tulips bloom at midnight';

async function say(slug: string, session: string, message: string): Promise<string> {
  const body = { tenant_id: slug, session_id: session, message };
  const answer = await t.request('POST', '/chat', { body });
  expect(answer.status, answer.text).toBe(200);
  return answer.json.reply;
}

async function history(slug: string, session: string): Promise<string[]> {
  const headers = { 'x-tenant-id': slug, authorization: `Session ${session}` };
  const answer = await t.request('GET', '/api/sessions/current/messages', { headers });
  expect(answer.status, answer.text).toBe(200);
  return answer.json.items.map(({ content }: { content: string }) => content);
}

const storedOf = async (slug: string): Promise<{ id: string; content: string }[]> =>
  t.database.admin('SELECT id, content FROM everywhere.chat_messages WHERE tenant_id = $1 ORDER BY id', [
    (await t.tenant(slug)).id,
  ]);

async function encrypt(slug: string, value: boolean): Promise<void> {
  const owner = await signIn(t, slug, 'owner');
  const answer = await owner.send('PUT', '/api/config/chat.encrypted', { value });
  expect(answer.status, answer.text).toBe(200);
}

describe('a tenant that has its chats encrypted', () => {
  it('stores nothing of what is said from then on, and reads both what it said before and since', async () => {
    const session = await t.session('acme');
    const before = await say('acme', session, 'said before');
    await encrypt('acme', true);
    const since = await say('acme', session, SECRET);
    expect(since).toContain(SECRET);
    const stored = await storedOf('acme');
    expect(stored.map(({ content }) => content)).toContain('said before');
    const after = stored.filter(({ content }) => content.startsWith('\u0001s'));
    expect(after).toHaveLength(2);
    expect(JSON.stringify(stored)).not.toContain(SECRET);
    expect(Buffer.from(after[0]!.content.slice(2), 'base64url').toString('latin1')).not.toContain('tulips');
    expect(await history('acme', session)).toEqual(['said before', before, SECRET, since]);
    await encrypt('acme', false);
    const plain = await say('acme', session, 'in the clear again');
    expect(await history('acme', session)).toEqual(['said before', before, SECRET, since, 'in the clear again', plain]);
    await encrypt('acme', true);
  });

  it('asks for its key once, not for each message', async () => {
    const session = await t.session('acme');
    await say('acme', session, 'first');
    const asked = vi.spyOn(t.app.get(PLATFORM_DATA_SOURCE), 'query');
    await say('acme', session, 'second');
    await say('acme', session, 'third');
    expect(asked.mock.calls.filter(([sql]) => String(sql).includes('tenant_keys'))).toEqual([]);
    asked.mockRestore();
  });

  it('takes what looks like sealed content for what it is: a text that somebody wrote', async () => {
    for (const on of [false, true]) {
      await encrypt('globex', on);
      const session = await t.session('globex');
      for (const odd of ['\u0001sAAAA', '\u0001\u0001', '\u0001']) {
        const reply = await say('globex', session, `${odd}!`);
        expect((await history('globex', session)).slice(-2)).toEqual([`${odd}!`, reply]);
      }
    }
  });

  it('gives a person what they said, in their download', async () => {
    const member = await signIn(t, 'acme', 'member');
    const { session_id: session } = (await member.send('POST', '/session', {})).json;
    const { json } = await member.send('POST', '/chat', { session_id: session, message: SECRET });
    expect((await storedOf('acme')).slice(-2).every(({ content }) => content.startsWith('\u0001s'))).toBe(true);
    const { messages } = (await member.get('/api/auth/me/data')).json;
    expect(messages.map(({ content }: { content: string }) => content)).toEqual([SECRET, json.reply]);
  });

  it('reads what began like sealed content before there was any', async () => {
    const odd = [
      '\u0001s',
      '\u0001shello',
      '\u0001sAAAA',
      `\u0001s${'A'.repeat(200)} `,
      `\u0001s${'A'.repeat(37)}`,
      '\u0001t',
    ];
    // Without a key, and with one that sealed others.
    for (const slug of ['initech', 'acme']) {
      const session = await t.session(slug);
      const replies: string[] = [];
      for (const _ of odd) replies.push(await say(slug, session, 'then'));
      const said = (await storedOf(slug)).slice(-2 * odd.length).filter((_, index) => index % 2 === 0);
      for (const [index, { id }] of said.entries()) {
        await t.database.admin('UPDATE everywhere.chat_messages SET content = $2 WHERE id = $1', [id, odd[index]]);
      }
      const whole = odd.flatMap((text, index) => [text, replies[index]]);
      expect(await history(slug, session)).toEqual(whole);
      const { id } = await t.tenant(slug);
      const file = path.join(folder, `odd-${slug}`);
      await t.app.get(TenantExporter).write(id, createWriteStream(file), {});
      const rows: string[] = [];
      for await (const part of readArchive(createReadStream(file), undefined)) {
        if (part.kind === 'rows') rows.push(...part.rows.flatMap((row) => row.filter((value) => value !== null)));
      }
      expect(rows).toEqual(expect.arrayContaining(odd));
    }
  });

  it('cannot read content of another message, another tenant, or that was changed', async () => {
    const session = await t.session('acme');
    await say('acme', session, SECRET);
    const [one, two] = (await storedOf('acme')).slice(-2);
    const put = (content: string) =>
      t.database.admin('UPDATE everywhere.chat_messages SET content = $2 WHERE id = $1 RETURNING id', [
        two!.id,
        content,
      ]);
    const headers = { 'x-tenant-id': 'acme', authorization: `Session ${session}` };
    const read = () => t.request('GET', '/api/sessions/current/messages', { headers });
    const changed = `${two!.content.slice(0, 30)}${two!.content[30] === 'A' ? 'B' : 'A'}${two!.content.slice(31)}`;
    for (const content of [one!.content, (await storedOf('globex')).at(-1)!.content, changed]) {
      await put(content);
      const { status, text } = await read();
      expect(status).toBe(500);
      expect(text).not.toContain('tulips');
    }
    await put(two!.content);
    expect((await read()).status).toBe(200);
    expect(t.logs.filter((line) => line.includes('was changed, or sealed under another key')).length).toBeGreaterThan(
      0,
    );
  });

  it('is archived with what was said, which another tenant seals under its own key', async () => {
    const file = path.join(folder, 'acme');
    const { id } = await t.tenant('acme');
    await t.app.get(TenantExporter).write(id, createWriteStream(file), {});
    const rows: string[] = [];
    for await (const part of readArchive(createReadStream(file), undefined)) {
      if (part.kind === 'rows') rows.push(...part.rows.map((row) => JSON.stringify(row)));
    }
    expect(rows.filter((row) => row.includes(SECRET)).length).toBeGreaterThan(1);
    expect((await readFile(file)).includes(SECRET)).toBe(false);
    await t.database.keepSpares(1);
    await t.app
      .get(TenantRunner)
      .runAsPlatform('test', () => t.app.get(TenantImporter).run({ file, slug: 'acme-again' }));
    const [from, to] = [await storedOf('acme'), await storedOf('acme-again')];
    expect(to.length).toBe(from.length);
    // All of it: the setting came along.
    expect(to.every(({ content }) => content.startsWith('\u0001s'))).toBe(true);
    expect(to.map(({ content }) => content)).not.toEqual(expect.arrayContaining([from.at(-1)!.content]));
  });

  it('leaves nothing that can be opened once it is erased', async () => {
    await t.import([{ slug: 'gone', settings: { 'chat.encrypted': true } }]);
    const session = await t.session('gone');
    await say('gone', session, SECRET);
    const { id } = await t.tenant('gone');
    const kept = await storedOf('gone');
    expect(kept.every(({ content }) => content.startsWith('\u0001s'))).toBe(true);
    const history = await t.database.admin(
      `INSERT INTO platform.setting_changes (id, scope, tenant_id, key, before, after, actor)
       VALUES (gen_random_uuid(), 'tenant', $1, 'welcome', NULL, '"Hi"', '{"kind":"system"}') RETURNING id`,
      [id],
    );
    expect(history).toHaveLength(1);
    await t.app.get(TenantErasure).erase(id);
    expect(await t.app.get(TenantKeys).find(id)).toBeUndefined();
    for (const table of ['tenant_keys WHERE owner', 'setting_changes WHERE tenant_id']) {
      expect(await t.database.admin(`SELECT 1 FROM platform.${table} = $1`, [id])).toEqual([]);
    }
  });
});
