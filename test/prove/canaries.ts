import type { Random } from './random.js';

/** Whose a value is, and where it was put. */
export interface Canary {
  tenant: string;
  /** Table and column, or what else holds it. */
  where: string;
  /** Of the registry or the looks of a tenant: open to whoever names it. */
  open: boolean;
}

export interface Found extends Canary {
  value: string;
}

// As strict as a value that is made below: whatever surrounds one, in JSON, HTML, CSV or a mail, ends it.
const TEXT = /cnry-[a-z0-9]+-[a-z0-9-]+?-[0-9a-f]{12}z/gi;
const UUID = /[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/gi;
/** The same without its dashes, as in keys and file names. */
const BARE_UUID = /(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])/gi;
const NUMBER = /(?<!\d)\d{15}(?!\d)/g;
/** What may be bytes in base64: credentials, cursors, parts of a token, embedded pictures. */
const BASE64 = /[A-Za-z0-9+/_-]{22,}={0,2}/g;

/** Every value that tells whose it is, and the search for them. */
export class Canaries {
  private readonly known = new Map<string, Canary>();
  /** The last four bytes of ids: a glance tells most bytes from all of them. */
  private readonly tails = new Set<number>();

  constructor(private readonly random: Random) {}

  /** A unique text for a column. Letters, digits and dashes alone: no encoding on its way changes it. */
  text(tenant: string, where: string, open = false): string {
    const name = where.replaceAll(/[^a-z0-9]+/gi, '-').toLowerCase();
    return this.keep(`cnry-${tenant}-${name}-${this.random.hex(12)}z`, { tenant, where, open });
  }

  /** A unique number of 15 digits, which JSON and PostgreSQL keep as it is. */
  number(tenant: string, where: string): number {
    const value = 100_000_000_000_000 + this.random.below(800_000_000_000_000);
    this.keep(String(value), { tenant, where, open: false });
    return value;
  }

  /** Of a row; or a hash or credential, of at least 22 characters. */
  id(tenant: string, where: string, value: string, open = false): void {
    if (!this.known.has(value)) this.keep(value, { tenant, where, open });
  }

  get size(): number {
    return this.known.size;
  }

  entries(): Iterable<[string, Canary]> {
    return this.known;
  }

  of(value: string): Canary | undefined {
    return this.known.get(value);
  }

  /** Every canary in the text, each once, also those behind base64. */
  in(text: string): Found[] {
    const found = new Map<string, Found>();
    this.look(text, found);
    for (const [encoded] of text.matchAll(BASE64)) {
      this.note(encoded, found);
      const bytes = Buffer.from(encoded, 'base64');
      this.look(bytes.toString('latin1'), found);
      // A credential or cursor carries ids as bytes, at any place.
      if (bytes.length > 200) continue;
      for (let end = 16; end <= bytes.length; end += 1) {
        if (!this.tails.has(bytes.readUInt32BE(end - 4))) continue;
        this.note(dashed(bytes.toString('hex', end - 16, end)), found);
      }
    }
    return [...found.values()];
  }

  private look(text: string, found: Map<string, Found>): void {
    for (const [value] of text.matchAll(TEXT)) this.note(value.toLowerCase(), found);
    for (const [value] of text.matchAll(UUID)) this.note(value.toLowerCase(), found);
    for (const [value] of text.matchAll(BARE_UUID)) this.note(dashed(value.toLowerCase()), found);
    for (const [value] of text.matchAll(NUMBER)) this.note(value, found);
  }

  private note(value: string, found: Map<string, Found>): void {
    const canary = this.known.get(value);
    if (canary) found.set(value, { value, ...canary });
  }

  private keep<T extends string>(value: T, canary: Canary): T {
    this.known.set(value, canary);
    if (value.length === 36) this.tails.add(parseInt(value.slice(-8), 16));
    return value;
  }
}

function dashed(hex: string): string {
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}
