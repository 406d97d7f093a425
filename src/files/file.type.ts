/** Bytes from the beginning of a file that are looked at. */
export const HEAD_BYTES = 64 * 1024;
export const UNKNOWN_TYPE = 'application/octet-stream';

/** What a browser takes for HTML (WHATWG MIME Sniffing, section 7.1). */
const HTML = /^<((!doctype html|html|head|script|iframe|h1|div|font|table|a|style|title|b|body|br|p)(?=[\s>]|$)|!--)/i;
const XML = /^<\?xml\b/i;
const SVG = /<svg[\s>]/i;

/**
 * The media type that a file's first bytes look like. What a client says of it is not believed.
 *
 * @param head as much as {@link HEAD_BYTES}, less only of a shorter file
 */
export async function mediaTypeOf(head: Buffer): Promise<string> {
  const text = textOf(head);
  const markup = text === undefined ? undefined : markupOf(text);
  if (markup !== undefined) return markup;
  const { fileTypeFromBuffer } = await import('file-type');
  // What only looks like a type at its beginning may be broken further on.
  const found = await fileTypeFromBuffer(head).catch(() => undefined);
  return found?.mime ?? (text === undefined ? UNKNOWN_TYPE : 'text/plain');
}

/** What could run scripts, where a browser is let to show it. */
function markupOf(text: string): string | undefined {
  const begins = text.replace(/^[\ufeff\s]+/, '');
  if (/^<(svg[\s>]|!doctype svg)/i.test(begins)) return 'image/svg+xml';
  if (XML.test(begins)) return SVG.test(begins) ? 'image/svg+xml' : 'application/xml';
  return HTML.test(begins) ? 'text/html' : undefined;
}

/** @returns undefined for what is no text in UTF-8; a character that the head cuts in two is not held against it */
function textOf(head: Buffer): string | undefined {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(head, { stream: true });
    // eslint-disable-next-line no-control-regex -- binary files have them, texts do not
    return /[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}

/** @param accepted media types, or groups such as image/*; empty: all */
export function isAccepted(mediaType: string, accepted: readonly string[]): boolean {
  const group = `${mediaType.split('/')[0]}/*`;
  return accepted.length === 0 || accepted.includes(mediaType) || accepted.includes(group);
}
