import { Injectable } from '@nestjs/common';
import { AddServerRequest, ChangeServerRequest, ServerView } from '../admin/index.js';
import { ServerRegistry } from '../tenant/index.js';
import { UsageFailure } from './exit-codes.js';
import { checked } from './input.js';
import { Table } from './table.js';
import { Terminal } from './terminal.js';

export interface ServerOptions {
  region?: string;
  weight?: string;
  plan?: string[];
}

export interface AddServerOptions extends ServerOptions {
  directUrl?: string;
}

const TITLES = ['SERVER', 'REGION', 'WEIGHT', 'PLANS', 'TENANTS', 'PLACES'];

/** The servers that tenants are placed on. */
@Injectable()
export class ServerCommands {
  constructor(
    private readonly terminal: Terminal,
    private readonly servers: ServerRegistry,
  ) {}

  async list(): Promise<void> {
    const items = (await this.servers.list()).map((server) => ServerView.of(server));
    await this.terminal.show(() => new Table(TITLES).rows(items.map(row)), { items, next_cursor: null });
  }

  async add(name: string, url: string, { directUrl, ...options }: AddServerOptions): Promise<void> {
    const request = await checked(AddServerRequest, { name, url, direct_url: directUrl, ...rulesOf(options) });
    const { direct_url: direct, ...server } = request;
    await this.show(ServerView.of(await this.servers.add({ ...server, directUrl: direct })));
  }

  async edit(name: string, options: ServerOptions): Promise<void> {
    const rules = rulesOf(options);
    if (Object.values(rules).every((value) => value === undefined)) throw new UsageFailure('Nothing to change.');
    await this.show(ServerView.of(await this.servers.edit(name, await checked(ChangeServerRequest, rules))));
  }

  async remove(name: string): Promise<void> {
    await this.servers.remove(name);
    await this.terminal.show(() => [`Removed ${name}.`], { removed: name });
  }

  private async show(server: ServerView): Promise<void> {
    await this.terminal.show(() => new Table(TITLES).rows([row(server)]), server);
  }
}

/** What was typed; `none` and `all` take a rule away. */
function rulesOf({ region, weight, plan }: ServerOptions): Record<string, unknown> {
  return {
    region: region === 'none' ? null : region,
    weight: weight !== undefined && /^\d{1,9}$/.test(weight) ? Number(weight) : weight,
    plans: plan?.length === 1 && plan[0] === 'all' ? null : plan,
  };
}

function row({ name, region, weight, plans, tenants, places }: ServerView): string[] {
  return [name, region ?? '-', String(weight), plans?.join(', ') ?? 'all', String(tenants), String(places)];
}
