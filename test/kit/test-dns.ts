import { createSocket } from 'node:dgram';

const TYPES = { A: 1, CNAME: 5, TXT: 16 } as const;
const CODES = { none: 0, SERVFAIL: 2, NXDOMAIN: 3 } as const;

/** What the server says of a name: TXT records as their strings, addresses, or an alias. */
interface Entry {
  /** IPv4 addresses; asked for anew at each question. */
  addresses?: () => string[];
  texts?: string[][];
  alias?: string;
}

export interface TestDns {
  /** For DNS_SERVERS. */
  address: string;
  /** Names asked for, one for each question. */
  asked: string[];
  /** Sets the TXT records of a name; a record of several strings is an array. */
  txt(name: string, ...records: (string | string[])[]): void;
  /** Sets the A records of a name; the function is asked at each question. */
  a(name: string, addresses: () => string[]): void;
  alias(name: string, target: string): void;
  /** Takes everything about a name away. */
  clear(name: string): void;
  /** `follow` answers alias and target together, as a resolver does; off: the alias alone. */
  follow: boolean;
  /** `silent` answers nothing, `broken` with SERVFAIL. */
  mood: 'fine' | 'silent' | 'broken';
  close(): Promise<void>;
}

/** A real DNS server on loopback, over UDP (RFC 1035). */
export async function startDns(): Promise<TestDns> {
  const entries = new Map<string, Entry>();
  const socket = createSocket('udp4');
  const dns: TestDns = {
    address: '',
    asked: [],
    follow: true,
    mood: 'fine',
    txt: (name, ...records) =>
      void entries.set(name, { texts: records.map((text) => (Array.isArray(text) ? text : [text])) }),
    a: (name, addresses) => void entries.set(name, { addresses }),
    alias: (name, target) => void entries.set(name, { alias: target }),
    clear: (name) => void entries.delete(name),
    close: () => new Promise((resolve) => socket.close(() => resolve())),
  };
  socket.on('message', (query, peer) => {
    const { name, type, end } = questionOf(query);
    dns.asked.push(name);
    if (dns.mood === 'silent') return;
    const question = query.subarray(12, end);
    const answers = dns.mood === 'broken' ? [] : answersTo(entries, name, type, dns.follow);
    const code = dns.mood === 'broken' ? CODES.SERVFAIL : entries.has(name) ? CODES.none : CODES.NXDOMAIN;
    const header = Buffer.alloc(12);
    header.writeUInt16BE(query.readUInt16BE(0), 0);
    // A response, recursion desired and available.
    header.writeUInt16BE(0x8180 | code, 2);
    header.writeUInt16BE(1, 4);
    header.writeUInt16BE(answers.length, 6);
    socket.send(Buffer.concat([header, question, ...answers]), peer.port, peer.address);
  });
  await new Promise<void>((resolve, reject) => {
    socket.once('error', reject);
    socket.bind(0, '127.0.0.1', resolve);
  });
  dns.address = `127.0.0.1:${socket.address().port}`;
  return dns;
}

function questionOf(query: Buffer): { name: string; type: number; end: number } {
  const labels: string[] = [];
  let at = 12;
  for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  return { name: labels.join('.').toLowerCase(), type: query.readUInt16BE(at + 1), end: at + 5 };
}

function answersTo(entries: Map<string, Entry>, name: string, type: number, follow: boolean): Buffer[] {
  const answers: Buffer[] = [];
  const seen = new Set<string>();
  for (let at: string | undefined = name; at !== undefined && !seen.has(at);) {
    seen.add(at);
    const entry: Entry | undefined = entries.get(at);
    if (entry?.alias !== undefined) {
      answers.push(record(at, TYPES.CNAME, nameBytes(entry.alias)));
      at = follow && type !== TYPES.CNAME ? entry.alias : undefined;
      continue;
    }
    if (type === TYPES.TXT)
      for (const strings of entry?.texts ?? []) answers.push(record(at, TYPES.TXT, texts(strings)));
    if (type === TYPES.A)
      for (const address of entry?.addresses?.() ?? [])
        answers.push(record(at, TYPES.A, Buffer.from(address.split('.').map(Number))));
    at = undefined;
  }
  return answers;
}

function record(name: string, type: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(0, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([nameBytes(name), fixed, data]);
}

function nameBytes(name: string): Buffer {
  const labels = name.split('.').flatMap((label) => [Buffer.of(label.length), Buffer.from(label, 'latin1')]);
  return Buffer.concat([...labels, Buffer.of(0)]);
}

function texts(strings: string[]): Buffer {
  return Buffer.concat(strings.flatMap((text) => [Buffer.of(Buffer.byteLength(text)), Buffer.from(text)]));
}
