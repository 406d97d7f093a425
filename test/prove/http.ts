import { isUtf8 } from 'node:buffer';
import http from 'node:http';

/** A request as it is sent, byte by byte, so that it can be repeated. */
export interface Sent {
  method: string;
  path: string;
  /** In order; a name may come twice. */
  headers: [string, string][];
  body?: Buffer;
}

export interface Reply {
  status: number;
  /** Status line and headers as they came. */
  head: string;
  headers: [string, string][];
  body: Buffer;
  text: string;
}

/** Kept-alive connections, so that what one request leaves on a connection meets the next one. */
export class HttpClient {
  private readonly agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
  private addresses = 0;

  constructor(readonly port: number) {}

  /** Passed on by a proxy, from an address that nobody has used before. */
  send({ method, path, headers, body }: Sent): Promise<Reply> {
    this.addresses += 1;
    const address = `10.${(this.addresses >> 16) & 255}.${(this.addresses >> 8) & 255}.${this.addresses & 255}`;
    const raw = [...headers, ['X-Forwarded-For', address] as [string, string]];
    if (!raw.some(([name]) => name.toLowerCase() === 'host')) raw.unshift(['Host', `127.0.0.1:${this.port}`]);
    if (body) raw.push(['Content-Length', String(body.length)]);
    return new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port: this.port, method, path, headers: raw.flat(), agent: this.agent };
      const request = http.request(options as http.RequestOptions, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.once('error', reject);
        response.once('end', () => {
          const pairs: [string, string][] = [];
          for (let at = 0; at < response.rawHeaders.length; at += 2) {
            pairs.push([response.rawHeaders[at] ?? '', response.rawHeaders[at + 1] ?? '']);
          }
          const status = response.statusCode ?? 0;
          const head = [`HTTP/1.1 ${status} ${response.statusMessage}`, ...pairs.map((pair) => pair.join(': '))].join(
            '\r\n',
          );
          const whole = Buffer.concat(chunks);
          resolve({ status, head, headers: pairs, body: whole, text: whole.toString('utf8') });
        });
      });
      request.once('error', reject);
      request.end(body);
    });
  }

  close(): void {
    this.agent.destroy();
  }
}

/** The command that sends the same: no path tidied, no bracket taken for a range. */
export function curlOf(port: number, { method, path, headers, body }: Sent): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;
  const parts = [`curl -sig --path-as-is -X ${method} ${quoted(`http://127.0.0.1:${port}${path}`)}`];
  for (const [name, value] of headers) parts.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (body && isUtf8(body)) parts.push(`--data-binary ${quoted(body.toString('utf8'))}`);
  else if (body) parts.push(`--data-binary @<(echo ${body.toString('base64')} | base64 -d)`);
  return parts.join(' ');
}
