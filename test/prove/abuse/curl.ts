import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Sent } from './wire.js';

/** Where bodies that no command line can hold are kept. */
const FOLDER = path.resolve('.tenantry/abuse');
const LONGEST_ARGUMENT = 4000;
let files = 0;

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

/** The request as a command for a shell. A long or binary body goes into a file beside. */
export function curlOf(port: number, { method, path: target, headers, body }: Sent): string {
  const parts = ['curl -si --path-as-is', `-X ${method}`, quoted(`http://127.0.0.1:${port}${target}`)];
  for (const [name, value] of Object.entries(headers))
    parts.push(`-H ${quoted(value === '' ? `${name};` : `${name}: ${value}`)}`);
  if (body) parts.push(`--data-binary ${bodyOf(body)}`);
  return parts.join(' ');
}

function bodyOf(body: Buffer): string {
  const text = body.toString('utf8');
  // A leading @ names a file to curl.
  const plain = Buffer.from(text).equals(body) && !/[\u0000-\u0008\u000b-\u001f]/.test(text) && !text.startsWith('@'); // eslint-disable-line no-control-regex -- these are what an argument cannot hold
  if (plain && text.length <= LONGEST_ARGUMENT) return quoted(text);
  mkdirSync(FOLDER, { recursive: true });
  const file = path.join(FOLDER, `body-${process.pid}-${(files += 1)}`);
  writeFileSync(file, body);
  return `@${file}`;
}
