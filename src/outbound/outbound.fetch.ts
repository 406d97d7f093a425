import { isIP } from 'node:net';
import { Injectable, type OnApplicationShutdown } from '@nestjs/common';
import type { Agent } from 'undici';
import { OutboundPolicy, OutboundRefused } from './outbound.policy.js';

const CONNECT_MS = 5000;
/** Without a body. */
const BODILESS = [101, 204, 205, 304];

/** How long and how large an answer may be. */
export interface FetchBounds {
  /** From the request to the last byte of the answer, in ms. */
  timeoutMs: number;
  /** Of the answer's body, decompressed. */
  maxBytes: number;
}

/**
 * Requests to URLs that tenants set. Each connection goes to an address that was checked for it, and http only into networks
 * that the operator has named.
 */
@Injectable()
export class OutboundFetch implements OnApplicationShutdown {
  private agent: Promise<Agent> | undefined;

  constructor(private readonly policy: OutboundPolicy) {}

  /**
   * A `fetch` within bounds. It follows no redirects: a 3xx is the answer, and whoever follows it asks again, here.
   *
   * @returns a function that rejects with OutboundRefused, with TimeoutError or AbortError, and with a TypeError where
   *   the peer is not reached; a body beyond its bound errors while it is read
   */
  within({ timeoutMs, maxBytes }: FetchBounds): typeof fetch {
    return async (input, init) => {
      const request = new Request(input, init);
      if (!/^https?:$/.test(new URL(request.url).protocol)) throw new TypeError('Only http and https');
      const { fetch: send } = await load();
      const response = await send(request.url, {
        method: request.method,
        headers: [...request.headers],
        body: request.body && Buffer.from(await request.arrayBuffer()),
        redirect: 'manual',
        signal: AbortSignal.any([request.signal, AbortSignal.timeout(timeoutMs)]),
        dispatcher: await (this.agent ??= agentFor(this.policy)),
      }).catch((error: unknown) => {
        const { cause } = error as { cause?: unknown };
        throw cause instanceof OutboundRefused ? cause : error;
      });
      const { status, statusText } = response;
      const body = BODILESS.includes(status) ? null : (response.body?.pipeThrough(bounded(maxBytes)) ?? null);
      return new Response(body, { status, statusText, headers: [...response.headers] });
    };
  }

  async onApplicationShutdown(): Promise<void> {
    await (await this.agent)?.destroy();
  }
}

/** Only when something is fetched: commands, and most processes, never do, and it is slow to load. */
const load = () => import('undici');

async function agentFor(policy: OutboundPolicy): Promise<Agent> {
  const { Agent, buildConnector } = await load();
  const connect = buildConnector({ lookup: policy.lookup, timeout: CONNECT_MS });
  return new Agent({
    // A host that is an address is connected to without a look-up.
    connect: (options, callback) => {
      const host = options.hostname.replace(/^\[(.*)\]$/, '$1');
      const connected: typeof callback = (...[error, socket]) => {
        if (error) return callback(error, null);
        try {
          if (options.protocol !== 'https:') policy.allowPlain(socket, host);
        } catch (refusal) {
          return callback(refusal as Error, null);
        }
        callback(null, socket);
      };
      if (isIP(host) === 0) return connect(options, connected);
      policy.resolve(host).then(
        () => connect(options, connected),
        (error: Error) => callback(error, null),
      );
    },
  });
}

function bounded(maxBytes: number): TransformStream<Uint8Array, Uint8Array> {
  let bytes = 0;
  return new TransformStream({
    transform(chunk, controller) {
      bytes += chunk.byteLength;
      if (bytes > maxBytes) controller.error(new RangeError(`An answer of more than ${maxBytes} bytes`));
      else controller.enqueue(chunk);
    },
  });
}
