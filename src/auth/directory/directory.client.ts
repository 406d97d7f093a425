import { randomBytes } from 'node:crypto';
import type { Client } from 'ldapts';
import type { OutboundPolicy } from '../../outbound/index.js';
import { BindPasswordMissing } from './directory.errors.js';
import { close, connectTo, type DirectoryAddress, isLost } from './directory.connection.js';
import { userFilter } from './directory.settings.js';

/** Everything that a directory is asked by; of one tenant at one time. */
export interface DirectoryOptions extends DirectoryAddress {
  bindDn: string;
  bindPassword: string;
  baseDn: string;
  userFilter: string;
}

/** No attributes (RFC 4511, section 4.5.1.8). */
const NOTHING = '1.1';
/** What a directory says of a person who may not in: wrong, locked, expired, no such entry (RFC 4511, appendix A). */
const REFUSALS = new Set<unknown>([19, 32, 34, 48, 49, 50, 53]);

/** A tenant's directory: one connection that searches, shared, and one of its own for each password that is checked. */
export class DirectoryClient {
  private searching: Promise<Client> | undefined;

  constructor(
    private readonly options: DirectoryOptions,
    private readonly policy: OutboundPolicy,
  ) {}

  /** Connects, binds and looks at the base, so that a wrong setting shows before anybody's password is sent. */
  async verify(): Promise<void> {
    const client = await this.searcher();
    await client.search(this.options.baseDn, { scope: 'base', filter: '(objectClass=*)', attributes: [NOTHING] });
  }

  /**
   * Whether the password is that of the one entry with this address. Where there is none, it takes as long.
   *
   * @throws what net, tls and ldapts reject with, where the directory cannot be asked
   */
  async isRight(email: string, password: string): Promise<boolean> {
    // RFC 4513, section 5.1.2: a bind with a name and no password succeeds, as anonymous.
    if (password === '') return false;
    const dns = await this.find(email);
    const [dn] = dns;
    if (dns.length === 1 && dn !== undefined && dn !== '') return this.binds(dn, password);
    await this.bindsNobody();
    return false;
  }

  /** Asks the same for somebody who is not to be let in, so that the time does not tell. */
  async pretend(email: string): Promise<void> {
    await this.find(email);
    await this.bindsNobody();
  }

  async close(): Promise<void> {
    const client = await this.searching?.catch(() => undefined);
    if (client) await close(client);
  }

  private async find(email: string): Promise<string[]> {
    const client = await this.searcher();
    const { searchEntries } = await client.search(this.options.baseDn, {
      scope: 'sub',
      filter: userFilter(this.options.userFilter, email),
      attributes: [NOTHING],
      // Two are one too many.
      sizeLimit: 2,
    });
    return searchEntries.map(({ dn }) => dn);
  }

  private async bindsNobody(): Promise<void> {
    const name = randomBytes(8).toString('hex');
    await this.binds(`cn=${name},${this.options.baseDn}`, name);
  }

  private async binds(dn: string, password: string): Promise<boolean> {
    const client = await connectTo(this.options, this.policy);
    try {
      await client.bind(dn, password);
      return true;
    } catch (error) {
      if (REFUSALS.has((error as { code?: unknown }).code)) return false;
      throw error;
    } finally {
      await close(client);
    }
  }

  /** Bound, or made anew: a connection that was lost would come back without its bind. */
  private async searcher(): Promise<Client> {
    const before = this.searching;
    const held = await before?.catch(() => undefined);
    if (held?.isConnected && !isLost(held)) return held;
    // Of many that find it lost, the first connects.
    if (this.searching === before || this.searching === undefined) this.searching = this.connect();
    return this.searching;
  }

  private async connect(): Promise<Client> {
    const { bindDn, bindPassword } = this.options;
    if (bindDn !== '' && bindPassword === '') throw new BindPasswordMissing();
    const client = await connectTo(this.options, this.policy);
    try {
      await client.bind(bindDn, bindPassword);
    } catch (error) {
      await close(client);
      throw error;
    }
    return client;
  }
}
