import type { LookupAddress, LookupOptions } from 'node:dns';
import { lookup } from 'node:dns/promises';
import { connect, isIP, type LookupFunction, type Socket } from 'node:net';
import { Inject, Injectable, Optional } from '@nestjs/common';
import { AppError, type AppErrorOptions } from '../common/index.js';
import { ENV } from '../database/index.js';
import type { Env } from '../env/index.js';
import { isWithin, mayReach, type Network, networks } from './address.ranges.js';

/** How long a name may take to resolve, in ms. */
const RESOLVE_MS = 5000;

export interface CheckedAddress {
  address: string;
  family: 4 | 6;
}

/** All addresses of a host, by whatever spelling the machine understands. */
export type Names = (host: string) => Promise<LookupAddress[]>;
export const NAMES = Symbol('NAMES');

/**
 * A host that a tenant named leads nowhere that it may. A name without addresses is answered alike, so that nobody learns
 * by trying which names the network around has.
 */
export class OutboundRefused extends AppError {
  constructor(
    readonly host: string,
    cause?: unknown,
    told: Pick<AppErrorOptions, 'code' | 'detail' | 'remedy'> = {
      code: 'address_refused',
      detail: `The host "${host}" has no address that may be connected to.`,
      remedy: 'Use a host of the public network, or ask the operator to allow its network.',
    },
  ) {
    super({ status: 422, ...told, cause });
  }
}

/** What tenants and their peers say goes unencrypted nowhere but within networks that the operator has named. */
export class PlainRefused extends OutboundRefused {
  constructor(host: string) {
    super(host, undefined, {
      code: 'plain_refused',
      detail: `The host "${host}" is outside the networks of the operator, and would be spoken to unencrypted.`,
      remedy: 'Use an encrypted connection (https, tls), or ask the operator to allow its network.',
    });
  }
}

/** Decides which hosts named by tenants are connected to: by their addresses, after their names have been resolved. */
@Injectable()
export class OutboundPolicy {
  private readonly allowed: Network[];
  private readonly names: Names;

  constructor(@Inject(ENV) env: Pick<Env, 'outboundAllow'>, @Optional() @Inject(NAMES) names?: Names) {
    this.allowed = networks(env.outboundAllow);
    this.names = names ?? ((host) => lookup(host, { all: true }));
  }

  /**
   * The address to connect to. A host with one refused address is refused: which one is taken would be up to chance.
   *
   * @param host name or address, an IPv6 one with brackets or without
   * @throws OutboundRefused
   */
  async resolve(host: string): Promise<CheckedAddress> {
    const [first] = await this.resolveAll(host);
    return first;
  }

  /** Whether all addresses of a host are in networks that the operator allows, as ones of its own. Never throws. */
  async isAllowedByOperator(host: string): Promise<boolean> {
    const found = await this.resolveAll(host).catch(() => []);
    return found.length > 0 && found.every(({ address }) => isWithin(address, this.allowed));
  }

  /**
   * In the shape of `dns.lookup`, for the `lookup` option of net, tls and http: what is connected to is what was checked.
   * None of them asks it about a host that is an address; those are for `resolve`.
   */
  readonly lookup: LookupFunction = (host, options: LookupOptions, callback) => {
    this.resolveAll(host).then(
      (all) => {
        const [first] = all;
        if (options.all) callback(null, all);
        else callback(null, first.address, first.family);
      },
      (error: Error) => callback(error, ''),
    );
  };

  /**
   * Connects over TCP, to an address that was checked.
   *
   * @param timeoutMs until it is connected
   * @throws OutboundRefused; an error with code ETIMEDOUT, and those of the network
   */
  async connect(host: string, port: number, timeoutMs: number): Promise<Socket> {
    const bare = host.replace(/^\[(.*)\]$/, '$1');
    if (isIP(bare) !== 0) await this.resolve(bare);
    const socket = connect({ host: bare, port, lookup: this.lookup, autoSelectFamily: true });
    const late = setTimeout(
      () => socket.destroy(Object.assign(new Error('Not connected in time'), { code: 'ETIMEDOUT' })),
      timeoutMs,
    );
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    socket.once('connect', resolve).once('error', reject);
    await promise.finally(() => clearTimeout(late));
    socket.off('error', reject);
    return socket;
  }

  /**
   * Lets a connection that is not encrypted be used, or ends it: its own address is looked at, not what its name says.
   *
   * @throws PlainRefused
   */
  allowPlain(socket: Socket, host: string): void {
    if (isWithin(socket.remoteAddress ?? '', this.allowed)) return;
    socket.destroy();
    throw new PlainRefused(host);
  }

  private async resolveAll(host: string): Promise<[CheckedAddress, ...CheckedAddress[]]> {
    let found: LookupAddress[];
    try {
      found = await within(RESOLVE_MS, this.names(host.replace(/^\[(.*)\]$/, '$1')));
    } catch (error) {
      throw new OutboundRefused(host, error);
    }
    const [first, ...others] = found.map(({ address, family }) => ({ address, family: family === 6 ? 6 : 4 }) as const);
    if (!first || !found.every(({ address }) => mayReach(address, this.allowed))) throw new OutboundRefused(host);
    return [first, ...others];
  }
}

async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  let late: NodeJS.Timeout | undefined;
  const timeout = new Promise<never>((_, reject) => {
    late = setTimeout(() => reject(new Error(`No answer within ${ms} ms`)), ms);
  });
  return Promise.race([work, timeout]).finally(() => clearTimeout(late));
}
