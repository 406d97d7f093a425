import { createHmac, createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat, utimes } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import S3rver from '@20minutes/s3rver';
import type { Bucket } from '../../src/env/index.js';

const BUCKET = 'backups';
const KEY_ID = 'test-key';
const SECRET = 'the-secret-of-the-test-key';
const REGION = 'eu-central-1';
/** Lists come in pages of so many, so that whoever reads one page alone is found out. */
const PAGE = 2;
/** What a part other than the last has at least. */
const LEAST_BYTES = 5 * 2 ** 20;

export interface TestS3 {
  port: number;
  /** Of the folder in the bucket. */
  prefix: string;
  bucket: Bucket;
  env: NodeJS.ProcessEnv;
  /** The names of all objects. */
  keys(): Promise<string[]>;
  /** The file that holds an object. */
  fileOf(key: string): string;
  /** Uploads under way: their names, and how many parts they have. */
  uploads(): Promise<{ id: string; key: string; parts: number }[]>;
  /** Makes an upload, with all its parts or without the last, as old as the hills. */
  age(upload: string, butTheLastPart?: boolean): Promise<void>;
  close(): Promise<void>;
}

interface Part {
  number: number;
  file: string;
  bytes: number;
  at: Date;
}

/**
 * An S3 server on loopback: s3rver, which stores and reads, behind what it lacks. That is the signature of requests to the
 * bucket itself, of which it loses the last slash, so all signatures are compared here; and lists of uploads and of their
 * parts, their end, and that nothing comes to one that has ended.
 */
export async function startS3(): Promise<TestS3> {
  const directory = await mkdtemp(path.join(os.tmpdir(), 'tenantry-s3-'));
  const s3rver = new S3rver({ directory, silent: true, configureBuckets: [{ name: BUCKET }] });
  await s3rver.configureBuckets();
  const store = s3rver.callback();
  const root = path.join(directory, BUCKET);
  const uploads = new Uploads(path.join(root, '._S3rver_uploads'));

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const url = new URL(request.url!, 'http://s3');
    const refused = refusal(request, url);
    if (refused) return send(response, 403, error(refused));
    delete request.headers.authorization;
    const own = url.pathname.startsWith(`/${BUCKET}/`) ? await uploads.answer(request.method!, url) : undefined;
    if (own) return send(response, own.status, own.body);
    await store(request, response);
  };
  const server = createServer((request, response) => {
    answer(request, response).catch((failed: unknown) => response.destroy(failed as Error));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const prefix = 'of/tests/';
  const bucket = {
    bucket: BUCKET,
    region: REGION,
    endpoint: `http://127.0.0.1:${port}`,
    accessKeyId: KEY_ID,
    secretAccessKey: SECRET,
    prefix,
    forcePathStyle: true,
  };
  return {
    port,
    prefix,
    bucket,
    env: {
      BACKUP_S3_BUCKET: BUCKET,
      BACKUP_S3_ENDPOINT: bucket.endpoint,
      BACKUP_S3_REGION: REGION,
      BACKUP_S3_ACCESS_KEY_ID: KEY_ID,
      BACKUP_S3_SECRET_ACCESS_KEY: SECRET,
      BACKUP_S3_PREFIX: prefix,
    },
    keys: async () => {
      const names = await readdir(root, { recursive: true }).catch(() => []);
      const suffix = '._S3rver_object';
      return names.filter((name) => name.endsWith(suffix)).map((name) => name.slice(0, -suffix.length));
    },
    fileOf: (key) => path.join(root, `${key}._S3rver_object`),
    uploads: () => uploads.list(),
    age: (upload, butTheLastPart = false) => uploads.age(upload, butTheLastPart),
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** The uploads of s3rver, a folder for each. */
class Uploads {
  constructor(private readonly folder: string) {}

  /** @returns undefined for what s3rver does itself */
  async answer(method: string, url: URL): Promise<{ status: number; body: string } | undefined> {
    const asked = url.searchParams;
    if (method === 'GET' && asked.has('uploads')) return { status: 200, body: await this.page(asked) };
    const id = asked.get('uploadId');
    if (id === null) return undefined;
    const parts = await this.partsOf(id);
    if (!parts) return { status: 404, body: error('NoSuchUpload') };
    if (method === 'DELETE') {
      await rm(path.join(this.folder, id), { recursive: true });
      return { status: 204, body: '' };
    }
    if (method === 'GET')
      return { status: 200, body: pageOfParts(parts, Number(asked.get('part-number-marker') ?? 0)) };
    const small = parts.slice(0, -1).some(({ bytes }) => bytes < LEAST_BYTES);
    return method === 'POST' && small ? { status: 400, body: error('EntityTooSmall') } : undefined;
  }

  async list(): Promise<{ id: string; key: string; parts: number }[]> {
    const found = [];
    for (const id of await readdir(this.folder).catch(() => [])) {
      const key = await readFile(path.join(this.folder, id, 'key'), 'utf8').catch(() => undefined);
      if (key !== undefined) found.push({ id, key, parts: (await this.partsOf(id))?.length ?? 0 });
    }
    return found.sort((one, other) => (`${one.key} ${one.id}` < `${other.key} ${other.id}` ? -1 : 1));
  }

  async age(id: string, butTheLastPart: boolean): Promise<void> {
    const parts = (await this.partsOf(id)) ?? [];
    const files = (butTheLastPart ? parts.slice(0, -1) : parts).map(({ file }) => file);
    for (const file of [...files, path.join(this.folder, id, 'key')]) await utimes(file, new Date(0), new Date(0));
  }

  private async partsOf(id: string): Promise<Part[] | undefined> {
    const names = await readdir(path.join(this.folder, id)).catch(() => undefined);
    const numbers = names?.filter((name) => /^\d+$/.test(name)).map(Number);
    if (!numbers) return undefined;
    return Promise.all(
      numbers
        .sort((one, other) => one - other)
        .map(async (number) => {
          const file = path.join(this.folder, id, String(number));
          const { size, mtime } = await stat(file);
          return { number, file, bytes: size, at: mtime };
        }),
    );
  }

  private async page(asked: URLSearchParams): Promise<string> {
    const after = `${asked.get('key-marker') ?? ''} ${asked.get('upload-id-marker') ?? ''}`;
    const all = (await this.list()).filter(({ key }) => key.startsWith(asked.get('prefix') ?? ''));
    const left = all.filter(({ key, id }) => `${key} ${id}` > after);
    const page = left.slice(0, PAGE);
    const items = page.map(async ({ key, id }) => {
      const { mtime } = await stat(path.join(this.folder, id, 'key'));
      return `<Upload><Key>${key}</Key><UploadId>${id}</UploadId><Initiated>${mtime.toISOString()}</Initiated></Upload>`;
    });
    const last = page.at(-1);
    const next = last
      ? `<NextKeyMarker>${last.key}</NextKeyMarker><NextUploadIdMarker>${last.id}</NextUploadIdMarker>`
      : '';
    const more = `<IsTruncated>${left.length > PAGE}</IsTruncated>${next}`;
    return `<ListMultipartUploadsResult>${more}${(await Promise.all(items)).join('')}</ListMultipartUploadsResult>`;
  }
}

function pageOfParts(parts: Part[], after: number): string {
  const left = parts.filter(({ number }) => number > after);
  const page = left.slice(0, PAGE);
  const items = page.map(
    ({ number, at }) =>
      `<Part><PartNumber>${number}</PartNumber><LastModified>${at.toISOString()}</LastModified></Part>`,
  );
  const more = `<IsTruncated>${left.length > PAGE}</IsTruncated>`;
  const next = `<NextPartNumberMarker>${page.at(-1)?.number ?? after}</NextPartNumberMarker>`;
  return `<ListPartsResult>${more}${next}${items.join('')}</ListPartsResult>`;
}

/** Signature Version 4 of S3: what is signed is the request as it came. @returns the code of what is wrong */
function refusal(request: IncomingMessage, url: URL): string | undefined {
  const [, id, scope, signed, signature] =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      request.headers.authorization ?? '',
    ) ?? [];
  if (id === undefined) return 'AccessDenied';
  if (id !== KEY_ID) return 'InvalidAccessKeyId';
  const headers = signed!.split(';').map((name) => `${name}:${String(request.headers[name]).trim()}\n`);
  const query = url.search.slice(1).split('&').sort().join('&');
  const body = String(request.headers['x-amz-content-sha256']);
  const canonical = [request.method, url.pathname, query, headers.join(''), signed, body].join('\n');
  const digest = createHash('sha256').update(canonical).digest('hex');
  const text = ['AWS4-HMAC-SHA256', request.headers['x-amz-date'], scope, digest].join('\n');
  const hmac = (key: string | Buffer, data: string): Buffer => createHmac('sha256', key).update(data).digest();
  const key = scope!.split('/').reduce<string | Buffer>(hmac, `AWS4${SECRET}`);
  const right = scope!.endsWith(`/${REGION}/s3/aws4_request`) && hmac(key, text).toString('hex') === signature;
  return right ? undefined : 'SignatureDoesNotMatch';
}

function error(code: string): string {
  return `<Error><Code>${code}</Code><Message>${code}</Message></Error>`;
}

function send(response: ServerResponse, status: number, body: string): void {
  response.writeHead(status, { 'content-type': 'application/xml' }).end(body);
}
