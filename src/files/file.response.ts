import type { Response } from 'express';
import { UNKNOWN_TYPE } from './file.type.js';
import type { TenantFile } from './tenant-file.entity.js';

/** What browsers show without running anything of it. All else is for saving. */
const INLINE = /^(image\/(png|jpeg|gif|webp|avif|bmp)|video\/(mp4|webm)|audio\/(mpeg|ogg|wav|flac|aac)|text\/plain)$/;
const MEDIA_TYPE = /^[a-z]{1,20}\/[\w.+-]{1,100}$/;

/** What keeps a file from acting as a page of this address, and from being another tenant's out of a cache. */
export function describeFile(response: Response, file: TenantFile, maxAgeSeconds: number): void {
  const known = MEDIA_TYPE.test(file.mediaType) ? file.mediaType : UNKNOWN_TYPE;
  response.setHeader('Content-Type', known === 'text/plain' ? 'text/plain; charset=utf-8' : known);
  response.setHeader('Content-Disposition', `${INLINE.test(known) ? 'inline' : 'attachment'}; ${nameOf(file.name)}`);
  response.setHeader(
    'Content-Security-Policy',
    `sandbox; default-src 'none'; style-src 'unsafe-inline'; media-src 'self'`,
  );
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Cache-Control', `private, max-age=${maxAgeSeconds}, no-transform`);
  response.setHeader('Accept-Ranges', 'bytes');
  response.setHeader('ETag', etagOf(file));
}

export function etagOf({ sha256 }: TenantFile): string {
  return `"${sha256}"`;
}

/** Both forms of RFC 6266, the plain one for clients that know no other. */
function nameOf(name: string): string {
  const plain = name.replaceAll(/[^\x20-\x7e]|["\\%/]/g, '_');
  const full = encodeURIComponent(name.replaceAll(/[/\\]/g, '_').toWellFormed()).replaceAll(/['()*]/g, escaped);
  return `filename="${plain}"; filename*=UTF-8''${full}`;
}

function escaped(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}
