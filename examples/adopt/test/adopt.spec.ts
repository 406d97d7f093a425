import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import type { INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { runSql } from '../../../test/kit/scratch-server.js';
import { type SignedIn, signIn } from '../../../test/kit/sign-in.js';
import { createTestApp, type TestApp } from '../../../test/kit/test-app.js';
import { withDatabase } from '../../../test/kit/test-env.js';
import { OldNotes } from '../after/old.notes.js';
import { NOTES } from '../after/product.js';
import { AppModule } from '../before/app.module.js';

// eslint-disable-next-line @typescript-eslint/no-explicit-any -- answers of every shape
type Send = (method: string, path: string, body?: object) => Promise<{ status: number; json: any }>;

let url: string;
let before: INestApplication;
let after: TestApp;
let acme: SignedIn;
let globex: SignedIn;
const name = `adopt_${randomBytes(6).toString('hex')}`;
beforeAll(async () => {
  await runSql(inject('adminUrl'), `CREATE DATABASE ${name}`);
  url = withDatabase(inject('adminUrl'), name);
  before = await NestFactory.create(AppModule.forRoot(url), { logger: false });
  await before.listen(0, '127.0.0.1');
  after = await createTestApp({}, false, undefined, NOTES);
  [acme, globex] = [await signIn(after, 'acme', 'member'), await signIn(after, 'globex', 'member')];
});
afterAll(async () => {
  await after?.close();
  await before?.close();
  await runSql(inject('adminUrl'), `DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
});

const sendBefore: Send = async (method, path, body) => {
  const { port } = before.getHttpServer().address() as AddressInfo;
  const headers = { 'content-type': 'application/json' };
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
    method,
    headers,
    body: body && JSON.stringify(body),
  });
  return { status: answer.status, json: await answer.json() };
};

/** What a user does, and all that is answered, but for what is given out: ids and times. */
async function walk(send: Send): Promise<unknown[]> {
  const told: unknown[] = [];
  // eslint-disable-next-line @typescript-eslint/no-explicit-any -- as above
  const say = async (method: string, path: string, body?: object): Promise<any> => {
    const { status, json } = await send(method, path, body);
    const plain = JSON.stringify(json, (key, value) => (['id', 'notebookId', 'createdAt'].includes(key) ? '…' : value));
    told.push(status < 400 ? [status, JSON.parse(plain)] : status);
    return json;
  };
  const home = await say('POST', '/api/notebooks', { name: 'Home' });
  const work = await say('POST', '/api/notebooks', { name: 'Work' });
  await say('POST', `/api/notebooks/${home.id}/notes`, { content: 'Water the plants' });
  const pinned = await say('POST', `/api/notebooks/${home.id}/notes`, { content: 'Feed the cat' });
  await say('POST', `/api/notebooks/${work.id}/notes`, { content: 'Grüße an 東京 🎉' });
  await say('POST', `/api/notes/${pinned.id}/pin`);
  await say('GET', '/api/notebooks');
  await say('GET', `/api/notebooks/${home.id}/notes`);
  await say('GET', '/api/notebooks/summary');
  await say('POST', '/api/notebooks/999999/notes', { content: 'Nowhere' });
  return told;
}

const SUMMARY = [
  { name: 'Home', notes: 2, pinned: 1 },
  { name: 'Work', notes: 1, pinned: 0 },
];

/** Content, mark and time of each note, and the notebook that it is in, in their order. */
async function all(send: Send): Promise<unknown[]> {
  const notebooks = (await send('GET', '/api/notebooks')).json as { id: string; name: string; createdAt: string }[];
  return Promise.all(
    notebooks.map(async ({ id, name, createdAt }) => {
      const notes = (await send('GET', `/api/notebooks/${id}/notes`)).json as Record<string, unknown>[];
      return [name, createdAt, notes.map(({ content, pinned, createdAt: at }) => [content, pinned, at])];
    }),
  );
}

describe('the application that docs/adopt.md converts', () => {
  it('answers in a tenant as it did for everybody', async () => {
    const told = await walk(sendBefore);
    expect(told.at(-2)).toEqual([200, SUMMARY]);
    expect(told.at(-1)).toBe(404);
    expect(await walk((...sent) => globex.send(...sent))).toEqual(told);
  });

  it('has every row from before in the tenant they are brought into, once, however often they are', async () => {
    await runSql(
      url,
      `INSERT INTO notes (notebook_id, content, pinned, created_at)
       SELECT 2, 'Note ' || n, n % 7 = 0, now() - n * interval '1 minute' FROM generate_series(1, 1200) n`,
    );
    const old = after.app.get(OldNotes);
    expect(await old.bring(url, 'acme')).toEqual({ notebooks: 2, notes: 1203 });
    expect(await all((...sent) => acme.send(...sent))).toEqual(await all(sendBefore));
    expect(await old.bring(url, 'acme')).toEqual({ notebooks: 0, notes: 0 });
    await sendBefore('POST', '/api/notebooks/1/notes', { content: 'Written meanwhile' });
    expect(await old.bring(url, 'acme')).toEqual({ notebooks: 0, notes: 1 });
    expect(await all((...sent) => acme.send(...sent))).toEqual(await all(sendBefore));
    expect((await acme.get('/api/notebooks/summary')).json).toEqual(
      (await sendBefore('GET', '/api/notebooks/summary')).json,
    );
    await expect(old.bring(url, 'nobody')).rejects.toThrow('There is no tenant nobody.');
  });

  it('goes on where a link from before leads, in that tenant alone', async () => {
    expect((await acme.get('/api/notebooks/1/notes')).json[0]).toMatchObject({ content: 'Feed the cat', pinned: true });
    expect((await globex.get('/api/notebooks/1/notes')).status).toBe(404);
    expect((await acme.get('/api/notebooks/Home/notes')).status).toBe(404);
  });

  it('keeps tenants apart, in the raw query too', async () => {
    expect((await globex.get('/api/notebooks/summary')).json).toEqual(SUMMARY);
    const [theirs] = (await acme.get('/api/notebooks')).json;
    const [note] = (await acme.get(`/api/notebooks/${theirs.id}/notes`)).json;
    expect((await globex.get(`/api/notebooks/${theirs.id}/notes`)).status).toBe(404);
    expect((await globex.send('POST', `/api/notebooks/${theirs.id}/notes`, { content: 'Mine' })).status).toBe(404);
    expect((await globex.send('POST', `/api/notes/${note.id}/pin`)).status).toBe(404);
    expect((await after.request('GET', '/api/notebooks', { headers: { 'x-tenant-id': 'acme' } })).status).toBe(401);
    const viewer = await signIn(after, 'globex', 'viewer');
    expect((await viewer.send('POST', '/api/notebooks', { name: 'Mine' })).status).toBe(403);
  });
});

it('docs/adopt.md shows what changes from examples/adopt/before to examples/adopt/after', () => {
  const page = readFileSync('docs/adopt.md', 'utf8');
  const shown = [...page.matchAll(/^```diff\n--- before\/(\S+)\n\+\+\+ after\/(\S+)\n([\s\S]*?)^```$/gm)];
  expect(shown.length).toBeGreaterThan(3);
  for (const [, from, to, text = ''] of shown) {
    const sides = [
      readFileSync(`examples/adopt/before/${from}`, 'utf8'),
      readFileSync(`examples/adopt/after/${to}`, 'utf8'),
    ];
    for (const line of text.trimEnd().split('\n')) {
      if (line.startsWith('@@')) continue;
      const wanted = `\n${line.slice(1)}\n`;
      if (!line.startsWith('+')) expect(`\n${sides[0]}`, from).toContain(wanted);
      if (!line.startsWith('-')) expect(`\n${sides[1]}`, to).toContain(wanted);
    }
  }
});
