import type { Found } from './canaries.js';
import { curlOf, HttpClient, type Reply, type Sent } from './http.js';
import type { Probe } from './probes.js';
import type { World } from './world.js';

/** Something of one tenant where another could see it, or a difference that tells that it is there. */
export interface Leak {
  /** Where it came out: an answer, or a sink. */
  from: string;
  what: string;
  /** What sends the same again: two commands, where it is that their answers differ. */
  curl?: string[];
}

/** In flight at once: requests of different tenants meet in one process. */
const AT_ONCE = 8;

/** Sends probes and judges their answers. */
export class Prober {
  readonly leaks: Leak[] = [];
  /** Requests that were sent. */
  sent = 0;
  /** How many answers of each status, by operation. */
  readonly statuses = new Map<string, Map<number, number>>();
  /** By the id that the answer bears, as the log does. */
  private readonly requests = new Map<string, Sent>();
  private readonly http: HttpClient;

  constructor(private readonly world: World) {
    this.http = new HttpClient(world.t.port);
  }

  close(): void {
    this.http.close();
  }

  async run(probes: readonly Probe[]): Promise<void> {
    const queue = probes.values();
    const work = async (): Promise<void> => {
      for (const probe of queue) await this.try(probe);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  async try(probe: Probe): Promise<Reply> {
    const reply = await this.send(probe, probe.request);
    await this.judge(probe, reply);
    if (probe.twin) await this.compare(probe, reply, probe.twin);
    return reply;
  }

  /** Canaries in the answer that the caller may not have. */
  private async judge(probe: Probe, reply: Reply): Promise<void> {
    const asked = textOf(probe.request);
    const { subject } = this.world;
    const parts = [reply.text, await subject.contents(reply)].map((part) => subject.toldByDesign(part));
    const text = [reply.head, ...parts].join('\n');
    const given = this.givenBy(probe, asked);
    const aliens = this.world.canaries
      .in(text)
      .filter(({ value }) => !asked.includes(value) && !given.has(value))
      .filter((found) => !isAllowed(probe, found));
    for (const { value, where, tenant } of aliens) {
      const around = `${where} of ${tenant} (status ${reply.status}, ${contextOf(value, text)})`;
      this.leak(probe, [probe.request], `${probe.actor.name} got ${value}, ${around}`);
    }
    if (reply.status >= 500 && reply.status !== 503) {
      this.leak(probe, [probe.request], `${probe.actor.name} got ${reply.status}: ${reply.text.slice(0, 200)}`);
    }
  }

  /** Foreign ids that people of the tenant have asked for, where the application keeps what was asked for. */
  private givenBy({ actor, operation }: Probe, asked: string): ReadonlySet<string> {
    const { given, canaries, subject } = this.world;
    const known = given.get(actor.tenant ?? '') ?? new Set();
    given.set(actor.tenant ?? '', known);
    for (const { value } of canaries.in(asked)) if (!value.startsWith('cnry-')) known.add(value);
    return subject.keepsQuestions(operation) ? known : new Set();
  }

  private async compare(
    probe: Probe,
    reply: Reply,
    { request, given, instead }: NonNullable<Probe['twin']>,
  ): Promise<void> {
    const other = await this.send(probe, request);
    const [mine, theirs] = [comparable(reply, given), comparable(other, instead)];
    if (mine === theirs) return;
    // What happened between the two, such as a limit running out, is told apart by asking once more.
    const again = await this.send(probe, probe.request);
    if (comparable(again, given) === theirs) return;
    const apart = differenceOf(mine, theirs);
    this.leak(probe, [probe.request, request], `${probe.actor.name} can tell ${given} from ${instead}: ${apart}`);
  }

  private async send(probe: Probe, request: Sent): Promise<Reply> {
    this.sent += 1;
    const reply = await this.http.send(request);
    const counts = this.statuses.get(probe.operation.title) ?? new Map<number, number>();
    this.statuses.set(probe.operation.title, counts.set(reply.status, (counts.get(reply.status) ?? 0) + 1));
    const id = reply.headers.find(([name]) => name.toLowerCase() === 'x-request-id')?.[1];
    if (id !== undefined) this.requests.set(id, request);
    return reply;
  }

  /** What sends the request again that the log has under this id. */
  curlOf(requestId: string | undefined): string[] | undefined {
    const request = this.requests.get(requestId ?? '');
    return request && [curlOf(this.world.t.port, request)];
  }

  private leak({ operation, attempt }: Probe, requests: Sent[], what: string): void {
    const curl = requests.map((request) => curlOf(this.world.t.port, request));
    this.leaks.push({ from: `${operation.title} (${attempt})`, what, curl });
  }
}

function isAllowed({ actor, own, named, operation }: Probe, { tenant, open, where }: Found): boolean {
  if (tenant === own) return true;
  if (open && named.includes(tenant)) return true;
  if (actor.kind !== 'platform' || !operation.access.kind.startsWith('platform')) return false;
  // Those who run the service see the registry, ids included, of any tenant; of what is a tenant's own, nothing.
  return (
    open || where.endsWith('.id') || REGISTRY.test(where) || (named.includes(tenant) && NAMES_WHO.test(operation.path))
  );
}

const REGISTRY = /^(platform|settings|fields|impersonations)\./;
/** Who of a tenant changed a setting is told to those who look after its settings. */
const NAMES_WHO = /\/config\/\{key\}\/history$/;

function contextOf(value: string, text: string): string {
  const at = text.toLowerCase().indexOf(value);
  return at === -1 ? 'encoded' : `in ${JSON.stringify(text.slice(Math.max(0, at - 160), at + value.length + 80))}`;
}

/** What was asked, in every form in which it may come back. */
function textOf({ path, headers, body }: Sent): string {
  const texts = [path, ...headers.map(([, value]) => value), body?.toString('utf8') ?? ''];
  const decoded = path.replaceAll('+', ' ').replaceAll(/%[0-9a-f]{2}/gi, (code) => {
    return String.fromCharCode(parseInt(code.slice(1), 16));
  });
  return [...texts, decoded].join('\n').toLowerCase();
}

/** Headers that differ from one answer to the next whatever was asked. */
// The length is that of the body, which is compared, but for the value in it.
const PASSING =
  /^(date|content-length|x-request-id|ratelimit|ratelimit-policy|x-ratelimit-[a-z]+|retry-after|keep-alive|connection|x-response-time)$/i;

/** An answer without what tells one request from the next, and without the value that it was asked with. */
function comparable({ status, headers, text }: Reply, value: string): string {
  const kept = headers.filter(([name]) => !PASSING.test(name)).map((pair) => pair.join(': '));
  const whole = [String(status), ...kept, '', text].join('\n');
  const plain = whole.replaceAll(value, '<value>').replaceAll(encodeURIComponent(value), '<value>');
  return plain.replaceAll(/"request_id":"[^"]*"/g, '"request_id":""');
}

function differenceOf(a: string, b: string): string {
  const [left, right] = [a.split('\n'), b.split('\n')];
  const at = left.findIndex((line, index) => line !== right[index]);
  return `${JSON.stringify(left[at]?.slice(0, 200))} instead of ${JSON.stringify(right[at]?.slice(0, 200))}`;
}
