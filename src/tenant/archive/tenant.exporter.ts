import { Readable, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { Inject, Injectable, Logger } from '@nestjs/common';
import type { DataSource } from 'typeorm';
import { DATABASE, headOf, type PreparedDatabase } from '../../database/index.js';
import { withoutSecrets } from '../../settings/index.js';
import { InjectPlatformDataSource, type Tenant, TenantDataSource, TenantDirectory } from '../../tenancy/index.js';
import { UnknownTenant } from '../tenant.errors.js';
import { ExportRefused } from './archive.errors.js';
import { APPLICATION_VERSION } from './application.version.js';
import { FileWriter } from './archive.files.js';
import { type ArchiveEnd, LineWriter, type Row } from './archive.format.js';
import { FORMAT, type Manifest } from './archive.manifest.js';
import { compressor, type Compression, newFrame, type Sealer } from './archive.frame.js';
import { type ArchiveRule, ArchiveRules, type RowBytes, RowView } from './archive.rules.js';
import { TenantSnapshot } from './tenant.snapshot.js';

export interface ExportOptions {
  /** Without one, secrets are left out. */
  sealer?: Sealer | undefined;
  /** Hashes of people's passwords, and their second factors: false leaves them out even of what is sealed. */
  ofPeople?: boolean | undefined;
  compression?: Compression | undefined;
  signal?: AbortSignal | undefined;
  onProgress?: (done: number, total: number) => void;
}

export interface Exported {
  manifest: Manifest;
  end: ArchiveEnd;
}

interface Plan {
  table: string;
  columns: string[];
  rule: ArchiveRule;
}

const REGISTERED = 'SELECT extra, expires_at, created_at FROM tenants WHERE id = $1';
const EXPORTABLE = ['active', 'suspended', 'archived'];

/** Writes all that a tenant has into one file, in one pass, holding some rows at a time. */
@Injectable()
export class TenantExporter {
  private readonly logger = new Logger('Archives');

  constructor(
    @InjectPlatformDataSource() private readonly platform: DataSource,
    @Inject(DATABASE) private readonly database: PreparedDatabase,
    private readonly source: TenantDataSource,
    private readonly tenants: TenantDirectory,
    private readonly rules: ArchiveRules,
  ) {}

  /**
   * @param out is ended, or destroyed when it fails
   * @throws UnknownTenant, ExportRefused, TenantMoving, PlacementUnavailable
   */
  async write(tenantId: string, out: Writable, options: ExportOptions = {}): Promise<Exported> {
    const tenant = await this.tenants.findById(tenantId);
    if (!tenant) throw new UnknownTenant();
    if (!EXPORTABLE.includes(tenant.status)) throw new ExportRefused(tenant.status);
    const { sealer, compression = 'zstd' } = options;
    const frame = await newFrame(compression, sealer);
    return TenantSnapshot.read(this.source, tenant, headOf(this.database.migrations), async (snapshot) => {
      let exported: Exported | undefined;
      const lines = this.lines(tenant, snapshot, options, (done) => (exported = done));
      await pipeline(
        Readable.from(lines, { objectMode: false }),
        compressor(compression),
        async function* (body: AsyncIterable<Buffer>) {
          yield frame.head;
          yield* frame.seal(body);
        },
        out,
        { signal: options.signal },
      );
      return exported!;
    });
  }

  private async *lines(
    tenant: Tenant,
    snapshot: TenantSnapshot,
    { sealer, ofPeople = true, onProgress }: ExportOptions,
    done: (exported: Exported) => void,
  ): AsyncGenerator<Buffer> {
    const writer = new LineWriter();
    const { plans, leftOut } = await this.plan(snapshot, sealer !== undefined, ofPeople);
    const manifest = await this.manifestOf(tenant, snapshot, sealer !== undefined, leftOut);
    yield writer.manifest(manifest);
    let total = 0;
    if (onProgress) for (const { table } of plans) total += await snapshot.count(table);
    let written = 0;
    const files: { table: string; rule: ArchiveRule; ids: string[] }[] = [];
    for (const { table, columns, rule } of plans) {
      const ids: string[] = [];
      if (rule.bytes) files.push({ table, rule, ids });
      yield writer.begin(table, columns);
      for await (const lines of snapshot.rows(table, columns)) {
        if (rule.bytes) ids.push(...withBytes(lines, columns, rule.bytes));
        yield writer.rows(await inTheClear(opened(lines, columns, rule, tenant.id), columns, rule, tenant.id));
        written += lines.length;
        onProgress?.(written, total);
      }
      yield writer.close();
    }
    // Nothing is read of the database any more, and stores may be slow.
    await snapshot.end();
    const { lines, sums } = this.fileLines(tenant.id, files);
    yield* lines;
    const { bytes, end } = writer.end(sums);
    done({ manifest, end });
    yield bytes;
  }

  private fileLines(tenantId: string, files: { table: string; rule: ArchiveRule; ids: string[] }[]) {
    const writer = new FileWriter();
    const missing = (table: string, id: string): void =>
      this.logger.warn({ tenant_id: tenantId, table, id }, 'A file is not in the store, and so not in the archive');
    async function* lines(): AsyncGenerator<Buffer> {
      for (const { table, rule, ids } of files) {
        for (const id of ids) {
          const source = await rule.bytes!.open(tenantId, id);
          if (!source) missing(table, id);
          yield* writer.lines({ table, id }, source);
        }
      }
    }
    return { lines: lines(), sums: writer.sums };
  }

  /** What is archived of each table, and what is not and why. */
  private async plan(
    snapshot: TenantSnapshot,
    sealed: boolean,
    ofPeople: boolean,
  ): Promise<{ plans: Plan[]; leftOut: Manifest['left_out'] }> {
    const plans: Plan[] = [];
    const leftOut: Manifest['left_out'] = [];
    for (const table of snapshot.tables) {
      const rule = this.rules.of(table);
      const why = rule.leftOut ?? (rule.credentials && !sealed ? 'credentials need encryption' : undefined);
      if (why !== undefined) {
        leftOut.push({ table, why });
        continue;
      }
      const secret = new Set(
        Object.entries(rule.secrets ?? {})
          .filter(([, { kind }]) => !sealed || (!ofPeople && kind !== 'credential'))
          .flatMap(([name, column]) => [name, ...dependents(column)]),
      );
      const whyNot = sealed ? "they are other people's" : 'secrets need encryption';
      for (const column of secret) leftOut.push({ table, column, why: whyNot });
      const columns = (await snapshot.columns(table)).map(({ name }) => name).filter((name) => !secret.has(name));
      plans.push({ table, columns, rule });
    }
    return { plans, leftOut };
  }

  private async manifestOf(
    tenant: Tenant,
    { migration, moment }: TenantSnapshot,
    sealed: boolean,
    leftOut: Manifest['left_out'],
  ): Promise<Manifest> {
    const [row] = await this.platform.query<
      { extra: Record<string, unknown>; expires_at: Date | null; created_at: Date }[]
    >(REGISTERED, [tenant.id]);
    if (!row) throw new UnknownTenant();
    const { id, slug, name, plan, kind, settings } = tenant;
    return {
      format: FORMAT,
      application: APPLICATION_VERSION,
      migration,
      made_at: moment.toISOString(),
      tenant: {
        id,
        slug,
        name,
        plan,
        kind,
        settings: withoutSecrets(settings),
        extra: row.extra,
        expires_at: row.expires_at?.toISOString() ?? null,
        created_at: row.created_at.toISOString(),
      },
      secrets: sealed ? 'sealed' : 'left out',
      ...(sealed && { keys: this.database.keys.fingerprint() }),
      left_out: leftOut,
    };
  }
}

export function dependents(column: NonNullable<ArchiveRule['secrets']>[string]): string[] {
  return 'with' in column ? (column.with ?? []) : [];
}

/** The ids of those rows whose bytes lie elsewhere. */
function withBytes(lines: string[], columns: string[], bytes: RowBytes): string[] {
  const view = new RowView(columns);
  return lines.flatMap((line) => {
    const row = JSON.parse(line) as Row;
    return bytes.has((column) => view.get(row, column)) ? [view.get(row, 'id')!] : [];
  });
}

/** What is sealed under MASTER_KEY leaves under the archive's own key alone. */
function opened(lines: string[], columns: string[], { secrets = {} }: ArchiveRule, tenantId: string): string[] {
  const sealed = Object.entries(secrets).filter(([name]) => columns.includes(name));
  if (!sealed.some(([, { kind }]) => kind === 'sealed')) return lines;
  const view = new RowView(columns);
  return lines.map((line) => {
    const row = JSON.parse(line) as Row;
    for (const [name, secret] of sealed) {
      const value = view.get(row, name);
      if (secret.kind !== 'sealed' || value === null) continue;
      const plain = secret.open(tenantId, view.get(row, 'id')!, Buffer.from(value.slice(2), 'hex'));
      view.set(row, name, `\\x${plain.toString('hex')}`);
    }
    return JSON.stringify(row);
  });
}

/** Texts that only a key of this tenant opens would be noise anywhere else. */
async function inTheClear(
  lines: string[],
  columns: string[],
  { texts = {} }: ArchiveRule,
  tenantId: string,
): Promise<string[]> {
  const view = new RowView(columns);
  for (const [name, { mark, opener }] of Object.entries(texts)) {
    // As it is in JSON: most lines need not be parsed.
    const written = JSON.stringify(mark).slice(1, -1);
    if (!lines.some((line) => line.includes(written))) continue;
    const open = await opener(tenantId);
    for (const [index, line] of lines.entries()) {
      if (!line.includes(written)) continue;
      const row = JSON.parse(line) as Row;
      const text = view.get(row, name);
      if (text === null) continue;
      view.set(row, name, open(view.get(row, 'id')!, text));
      lines[index] = JSON.stringify(row);
    }
  }
  return lines;
}
