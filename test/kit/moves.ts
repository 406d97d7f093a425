import type { SignedInAdmin } from './platform.js';

export const moveOf = (slug: string): string => `/api/admin/tenants/${slug}/move`;

/** How the present move of a tenant ended, with its whole view. */
export async function untilMoved(admin: SignedInAdmin, slug: string, ms = 60_000) {
  const deadline = Date.now() + ms;
  for (;;) {
    const { json } = await admin.get(moveOf(slug));
    if (!['running', 'undoing'].includes(json.state)) return json;
    if (Date.now() > deadline) throw new Error(`${slug} has not moved: ${JSON.stringify(json)}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

export async function move(admin: SignedInAdmin, slug: string, to: { isolation: string; server?: string }) {
  const answer = await admin.send('POST', moveOf(slug), to);
  if (answer.status !== 202) throw new Error(`${slug} could not be moved: ${answer.text}`);
  return untilMoved(admin, slug);
}
