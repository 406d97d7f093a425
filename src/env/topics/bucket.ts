import type { EnvReader, Variable } from '../env.reader.js';

/** Where something is in an S3 store. */
export interface Bucket {
  bucket: string;
  region: string;
  /** Unset: that of AWS in the region. */
  endpoint: string | undefined;
  accessKeyId: string;
  secretAccessKey: string;
  /** Before every name; empty, or with a slash at its end. */
  prefix: string;
  /** Whether the bucket is in the path of a URL, not in its host. */
  forcePathStyle: boolean;
}

/**
 * The variables of a bucket, `<topic>_S3_…`.
 *
 * @param beside the variable of a folder, which is not to be set with it
 */
export function bucketVariables(topic: string, { beside, about }: { beside: string; about: string }): Variable[] {
  const name = (what: string): string => `${topic}_S3_${what}`;
  return [
    {
      name: name('BUCKET'),
      example: '',
      allowed: `the name of a bucket of 3 to 63 small letters, digits, dots and hyphens; not together with ${beside}`,
      about,
    },
    {
      name: name('ENDPOINT'),
      example: '',
      allowed: 'https://host[:port] or http://host[:port]',
      about: `where the S3 store is; unset: AWS, in ${name('REGION')}`,
    },
    {
      name: name('REGION'),
      example: '',
      allowed: `a region such as eu-central-1; may be left out with ${name('ENDPOINT')}, for us-east-1`,
      about: 'the region of the bucket, which is part of every signature',
    },
    {
      name: name('ACCESS_KEY_ID'),
      example: '',
      allowed: 'the id of an access key',
      about: 'who the S3 store is told that this is',
    },
    {
      name: name('SECRET_ACCESS_KEY'),
      example: '',
      allowed: 'the secret of that access key',
      about: 'what requests to the S3 store are signed with; it is never sent',
    },
    {
      name: name('PREFIX'),
      example: '',
      allowed: 'letters, digits, and . _ - /',
      about: 'what comes before every name in the bucket, when it holds other things, too',
    },
    {
      name: name('FORCE_PATH_STYLE'),
      example: '',
      allowed: 'on or off',
      about: `whether the bucket is in the path of a URL and not in its host; default on with ${name('ENDPOINT')}, else off`,
    },
  ];
}

const BUCKET = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/;
const REGION = /^[a-z0-9-]{1,64}$/i;
const PREFIX = /^[\w./-]{1,200}$/;
const NEEDED = ['BUCKET', 'ACCESS_KEY_ID', 'SECRET_ACCESS_KEY'];
const OPTIONAL = ['ENDPOINT', 'REGION', 'PREFIX', 'FORCE_PATH_STYLE'];

/** All of it or nothing: with half of it nothing would be kept, and nobody would know. */
export function readBucket(from: EnvReader, topic: string): Bucket | undefined {
  const name = (what: string): string => `${topic}_S3_${what}`;
  const needed = NEEDED.map(name);
  const [bucket, accessKeyId, secretAccessKey] = needed.map((one) => from.text(one));
  const endpoint = from.url(name('ENDPOINT'), ['http:', 'https:']);
  const forcePathStyle = from.onOrOff(name('FORCE_PATH_STYLE'), endpoint !== undefined);
  const set = [...needed, ...OPTIONAL.map(name)].filter((one) => from.text(one) !== undefined);
  if (set.length === 0) return undefined;
  const missing = needed.filter((one) => from.text(one) === undefined);
  const region = from.text(name('REGION'));
  if (region === undefined && from.text(name('ENDPOINT')) === undefined) missing.push(name('REGION'));
  if (missing.length > 0) {
    from.problem(`With ${set.join(', ')} also set ${missing.join(', ')}; or none of them, and there is no bucket.`);
  }
  if (endpoint !== undefined && !isOrigin(endpoint)) from.wrong(name('ENDPOINT'));
  const prefix = from.text(name('PREFIX')) ?? '';
  if (bucket !== undefined && !BUCKET.test(bucket)) from.wrong(name('BUCKET'));
  if (region !== undefined && !REGION.test(region)) from.wrong(name('REGION'));
  if (prefix !== '' && !PREFIX.test(prefix)) from.wrong(name('PREFIX'));
  if (bucket === undefined || accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  const folders = prefix.split('/').filter((folder) => folder !== '');
  return {
    bucket,
    region: region ?? 'us-east-1',
    endpoint,
    accessKeyId,
    secretAccessKey,
    prefix: folders.map((folder) => `${folder}/`).join(''),
    forcePathStyle,
  };
}

/** Without a path, which the bucket is, and without a password, which belongs into no URL. */
function isOrigin(url: string): boolean {
  const { origin, href } = new URL(url);
  return href === `${origin}/`;
}
