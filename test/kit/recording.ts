import { Outbox } from '../../src/outbox/index.js';
import { TenantRunner, TenantTransaction } from '../../src/tenancy/index.js';
import type { TestApp } from './test-app.js';

/** Writes and reads without pause through the HTTP API, and remembers what was answered. */
export class Recording {
  /** Texts of messages whose storing was acknowledged. */
  readonly acknowledged: string[] = [];
  /** Texts of those that were sent, and perhaps stored. */
  readonly sent = new Set<string>();
  /** Answers that say neither yes nor "later". */
  readonly odd: string[] = [];
  longestMs = 0;
  private stopping = false;
  private readonly writers: Promise<void>[];

  private constructor(
    private readonly ask: Ask,
    private readonly slug: string,
    sessions: string[],
  ) {
    this.writers = sessions.map((session, index) => this.write(session, index));
  }

  /** @param writers who write at once, each in a session of its own */
  static async start(
    t: TestApp,
    slug: string,
    writers = 4,
    ask: Ask = (path, body, headers) => t.request('POST', path, { body, headers }),
  ) {
    const sessions: string[] = [];
    for (let n = 0; n < writers; n += 1) sessions.push(await t.session(slug));
    return new Recording(ask, slug, sessions);
  }

  async stop(): Promise<this> {
    this.stopping = true;
    await Promise.all(this.writers);
    return this;
  }

  private async write(session: string, index: number): Promise<void> {
    for (let n = 0; !this.stopping; n += 1) {
      const message = `${this.slug} ${index} ${n} ${session.slice(-6)}`;
      this.sent.add(message);
      const began = performance.now();
      try {
        const body = { tenant_id: this.slug, session_id: session, message };
        // From many addresses, each well below its limit; the application believes 127.0.0.1 as a proxy.
        const headers = { 'x-forwarded-for': `10.${index}.${n >> 11}.${(n >> 3) & 255}` };
        const { status, text } = await this.ask('/chat', body, headers);
        if (status === 200) this.acknowledged.push(message);
        else this.odd.push(`${status} ${text}`);
      } catch (error) {
        this.odd.push(String(error));
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      this.longestMs = Math.max(this.longestMs, performance.now() - began);
    }
  }
}

export type Ask = (
  path: string,
  body: object,
  headers: Record<string, string>,
) => Promise<{ status: number; text: string }>;

/** What an application believes a recording's addresses with. */
export const PROXIED = { TRUSTED_PROXIES: '127.0.0.1' };

/** Opens a transaction of a tenant and keeps it open until it is let go; then it commits what it wrote. */
export function holdTransaction(t: TestApp, slug: string, write: (transaction: TenantTransaction) => Promise<unknown>) {
  let letGo = (): void => undefined;
  const held = new Promise<void>((resolve) => (letGo = resolve));
  let opened = (): void => undefined;
  const open = new Promise<void>((resolve) => (opened = resolve));
  const transaction = t.app.get(TenantTransaction);
  const committed = t.tenant(slug).then((tenant) =>
    t.app.get(TenantRunner).run(tenant, () =>
      transaction.run(async () => {
        await write(transaction);
        opened();
        await held;
      }),
    ),
  );
  return { open, letGo, committed };
}

export const addEvent = async (t: TestApp, slug: string, type: string, payload: unknown): Promise<string> =>
  t.app.get(TenantRunner).run(await t.tenant(slug), () => t.app.get(Outbox).add(type, payload));
