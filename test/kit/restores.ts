import { expect } from 'vitest';
import { untilMoved } from './moves.js';
import type { SignedInAdmin } from './platform.js';
import type { TestApp } from './test-app.js';

export const restoresOf = (slug: string, id = ''): string =>
  `/api/admin/tenants/${slug}/restores${id === '' ? '' : `/${id}`}`;

/** Has a tenant backed up by the workers. @returns the backup's id */
export async function backUp(admin: SignedInAdmin, slug: string): Promise<string> {
  const ordered = await admin.send('POST', `/api/admin/tenants/${slug}/backups`);
  expect(ordered.status, ordered.text).toBe(202);
  for (const end = Date.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 25))) {
    const { json } = await admin.get(`/api/admin/tenants/${slug}/backups`);
    const backup = json.items.find(({ id }: { id: string }) => id === ordered.json.id);
    if (backup.state === 'done') return backup.id;
    if (backup.state === 'failed' || Date.now() > end) throw new Error(`not backed up: ${JSON.stringify(backup)}`);
  }
}

/** The restore once it is in one of these states. */
export async function untilRestore(admin: SignedInAdmin, slug: string, id: string, ...states: string[]) {
  for (const end = Date.now() + 60_000; ; await new Promise((resolve) => setTimeout(resolve, 25))) {
    const { json } = await admin.get(restoresOf(slug, id));
    if (states.includes(json.state)) return json;
    if (Date.now() > end) throw new Error(`${slug} is not ${states.join(' or ')}: ${JSON.stringify(json)}`);
  }
}

/** @param to a backup, or a moment */
export async function restore(admin: SignedInAdmin, slug: string, to: string | Date) {
  const wish = to instanceof Date ? { at: to.toISOString() } : { backup_id: to };
  const answer = await admin.send('POST', restoresOf(slug), wish);
  expect(answer.status, answer.text).toBe(202);
  expect(answer.headers['location']).toBe(restoresOf(slug, answer.json.id));
  return untilRestore(admin, slug, answer.json.id, 'ready', 'failed');
}

/** Swaps a restore in, and waits until the tenant is back in its isolation. */
export async function swapIn(t: TestApp, admin: SignedInAdmin, slug: string, id: string) {
  const answer = await admin.send('POST', `${restoresOf(slug, id)}/swap`, { confirm: slug });
  expect(answer.status, answer.text).toBe(202);
  const done = await untilRestore(admin, slug, id, 'done', 'ready');
  expect(done.state, JSON.stringify(done)).toBe('done');
  await movedBack(t, admin, slug, done);
  return done;
}

interface SwappedView {
  id: string;
  from: { isolation: string };
  to: { isolation: string };
  moves_back_at: string | null;
}

/** Has the time pass for which the place that was left is kept, and waits until the tenant is back in its isolation. */
export async function movedBack(t: TestApp, admin: SignedInAdmin, slug: string, done: SwappedView) {
  if (done.from.isolation === done.to.isolation) return expect(done.moves_back_at).toBeNull();
  expect(Date.parse(done.moves_back_at!) - Date.now()).toBeGreaterThan(71 * 3_600_000);
  expect((await t.tenant(slug)).placement.kind).toBe(done.to.isolation);
  await t.database.admin('UPDATE platform.restores SET moves_back_at = now() WHERE id = $1', [done.id]);
  const ordered = async () => (await admin.get(restoresOf(slug, done.id))).json.move_id;
  await expect.poll(ordered, { timeout: 30_000, interval: 25 }).not.toBeNull();
  expect(await untilMoved(admin, slug)).toMatchObject({ state: 'done' });
}

/** All differing rows, page by page. */
export async function differencesOf(admin: SignedInAdmin, slug: string, id: string, limit = 2) {
  const rows: { table: string; id: string; kind: string; columns: string[] }[] = [];
  for (let cursor = ''; ;) {
    const { status, json, text } = await admin.get(`${restoresOf(slug, id)}/differences?limit=${limit}${cursor}`);
    expect(status, text).toBe(200);
    expect(json.items.length).toBeLessThanOrEqual(limit);
    rows.push(...json.items);
    if (json.next_cursor === null) return rows;
    cursor = `&cursor=${json.next_cursor}`;
  }
}
