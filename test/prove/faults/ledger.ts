import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

/** Longer than any answer may take. */
const PATIENCE_MS = 60_000;
const PAUSE_MS = 50;
const PAGE = 100;

/** A message that a client sends until it is told that it is stored. */
interface Entry {
  session: string;
  text: string;
  key: string;
  /** When the request that was acknowledged began and ended, as performance.now() has it. */
  acknowledged?: { began: number; ended: number };
}

export interface Verdict {
  acknowledged: number;
  /** Acknowledged, and not there. */
  lost: string[];
  /** There more than once, although every attempt had the same Idempotency-Key; or without its reply, or with two. */
  doubled: string[];
  /** Never acknowledged; each may be there once or not at all. */
  open: number;
}

/**
 * Clients that write without a pause, remember what was acknowledged, and repeat what was not, with the same
 * Idempotency-Key. They go round the given ports, as behind a balancer.
 */
export class Ledger {
  /** Answers other than the acknowledgement, by status and code. */
  readonly refusals = new Map<string, number>();
  /** Requests that were given no answer. */
  cut = 0;
  /** Failures that did not say so: anything but a problem with a status that means "come again". */
  readonly wrong: string[] = [];
  private readonly entries: Entry[] = [];
  private readonly writers: Promise<void>[] = [];
  private stopped = false;
  private turn = 0;

  /**
   * @param ports of the processes to ask
   * @param tenant whose chat is written to; it takes visitors
   */
  constructor(
    private readonly ports: () => number[],
    private readonly tenant = 'acme',
  ) {}

  start(writers: number): void {
    for (let writer = 0; writer < writers; writer += 1) this.writers.push(this.write(writer));
  }

  /** Lets the requests under way end, and sends no more. */
  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.writers);
  }

  /** Messages acknowledged so far. */
  get acknowledged(): number {
    return this.entries.filter((entry) => entry.acknowledged).length;
  }

  /**
   * @param since as performance.now() has it
   * @returns ms from then until the first acknowledgement of a request that began later; waits for one
   */
  async recovered(since: number, limitMs = 120_000): Promise<number> {
    for (;;) {
      const first = this.entries
        .flatMap(({ acknowledged }) =>
          acknowledged && acknowledged.began >= since ? [acknowledged.ended - since] : [],
        )
        .sort((one, other) => one - other)[0];
      if (first !== undefined) return first;
      if (performance.now() - since > limitMs) throw new Error(`Nothing was acknowledged within ${limitMs / 1000} s.`);
      await sleep(20);
    }
  }

  /** Compares what is there with what was acknowledged. @param port of a process that serves */
  async verify(port: number): Promise<Verdict> {
    const verdict: Verdict = { acknowledged: this.acknowledged, lost: [], doubled: [], open: 0 };
    for (const session of new Set(this.entries.map((entry) => entry.session))) {
      const stored = await this.messagesOf(port, session);
      const own = this.entries.filter((entry) => entry.session === session);
      for (const { text, acknowledged } of own) {
        const there = stored.filter(({ role, content }) => role === 'user' && content === text).length;
        if (acknowledged && there === 0) verdict.lost.push(text);
        if (there > 1) verdict.doubled.push(`${text}: ${there} times`);
        if (!acknowledged) verdict.open += 1;
      }
      const by = (role: string): number => stored.filter((message) => message.role === role).length;
      if (by('user') !== by('assistant'))
        verdict.doubled.push(`${by('user')} messages with ${by('assistant')} replies`);
      const known = new Set(own.map(({ text }) => text));
      const unknown = stored.filter(({ role, content }) => role === 'user' && !known.has(content));
      verdict.doubled.push(...unknown.map(({ content }) => `${content}: never sent`));
    }
    return verdict;
  }

  private async write(writer: number): Promise<void> {
    const session = await this.until<{ session_id: string }>('/session', { tenant_id: this.tenant }, randomUUID());
    for (let n = 0; session && !this.stopped; n += 1) {
      const entry: Entry = { session: session.json.session_id, text: `${writer}-${n}`, key: randomUUID() };
      this.entries.push(entry);
      const body = { tenant_id: this.tenant, session_id: entry.session, message: entry.text };
      const answer = await this.until('/chat', body, entry.key);
      if (answer) entry.acknowledged = { began: answer.began, ended: performance.now() };
    }
  }

  /** Asks again until it is done, or nobody wants it anymore. */
  private async until<T>(path: string, body: object, key: string): Promise<{ json: T; began: number } | undefined> {
    while (!this.stopped) {
      const began = performance.now();
      const json = await this.ask<T>(path, body, key);
      if (json) return { json, began };
      await sleep(PAUSE_MS);
    }
    return undefined;
  }

  private async ask<T>(path: string, body: object, key: string): Promise<T | undefined> {
    const ports = this.ports();
    const port = ports[(this.turn += 1) % ports.length];
    let response: Response;
    let text: string;
    try {
      response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': key },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(PATIENCE_MS),
      });
      text = await response.text();
    } catch (error) {
      this.cut += 1;
      if ((error as Error).name === 'TimeoutError') this.wrong.push(`no answer within ${PATIENCE_MS / 1000} s`);
      return undefined;
    }
    if (response.ok) return JSON.parse(text) as T;
    const problem = /json/.test(response.headers.get('content-type') ?? '')
      ? (JSON.parse(text) as { code: string })
      : undefined;
    const name = `${response.status} ${problem?.code ?? 'without a problem'}`;
    this.refusals.set(name, (this.refusals.get(name) ?? 0) + 1);
    // 409: another attempt with this key is still under way.
    if (!problem || ![409, 429, 503].includes(response.status)) this.wrong.push(`${name}: ${text.slice(0, 300)}`);
    return undefined;
  }

  private async messagesOf(port: number, session: string): Promise<{ role: string; content: string }[]> {
    const found: { role: string; content: string }[] = [];
    for (let cursor = ''; ;) {
      const url = `http://127.0.0.1:${port}/api/sessions/current/messages?limit=${PAGE}${cursor && `&cursor=${encodeURIComponent(cursor)}`}`;
      const response = await fetch(url, {
        headers: { 'x-tenant-id': this.tenant, authorization: `Session ${session}` },
      });
      if (!response.ok) throw new Error(`The messages cannot be read: ${await response.text()}`);
      const page = (await response.json()) as {
        items: { role: string; content: string }[];
        next_cursor: string | null;
      };
      found.push(...page.items);
      if (page.next_cursor === null) return found;
      cursor = page.next_cursor;
    }
  }
}
