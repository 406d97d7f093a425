import { Inject, Injectable } from '@nestjs/common';
import { ENV } from '../database/index.js';
import type { Env } from '../env/index.js';
import { settingOf } from '../settings/index.js';
import type { Tenant } from '../tenancy/index.js';
import { APP_URL } from './mail.settings.js';

declare const link: unique symbol;
/** An address that {@link MailLinks} built; nothing else may become a link in a mail. */
export type MailLink = string & { readonly [link]: true };

type LinkedTenant = Pick<Tenant, 'slug' | 'settings' | 'inherited' | 'primaryDomain'>;

/**
 * Builds links from PUBLIC_URL and never from a request, whose Host the client chooses. A tenant is at
 * the primary one of its own domains when it has one, at `<slug>.BASE_DOMAIN` when PUBLIC_URL's host is BASE_DOMAIN, and
 * under `PUBLIC_URL/<slug>` otherwise; or where its setting `app.url` says that its front end is.
 */
@Injectable()
export class MailLinks {
  private readonly base: URL;
  private readonly subdomains: boolean;

  constructor(@Inject(ENV) env: Env) {
    this.base = new URL(env.publicUrl);
    this.subdomains = this.base.hostname === env.baseDomain;
  }

  /**
   * @param path begins with a slash
   * @param params go into the fragment, which browsers send to no server, so that tokens reach no log
   */
  linkFor(tenant: LinkedTenant, path: string, params: Record<string, string> = {}): MailLink {
    const own = settingOf(tenant, APP_URL);
    return own === '' ? this.ownAddress(tenant, path, params) : finish(new URL(own), path, params);
  }

  /** The same for what this service answers itself, wherever the front end is. */
  ownAddress(tenant: LinkedTenant, path: string, params: Record<string, string> = {}): MailLink {
    const url = new URL(this.base);
    const host = tenant.primaryDomain ?? (this.subdomains ? `${tenant.slug}.${this.base.hostname}` : undefined);
    if (host) url.hostname = host;
    return finish(url, host ? path : `/${tenant.slug}${path}`, params);
  }

  /** A link to the platform itself, beneath no tenant. */
  platformLink(path: string, params: Record<string, string> = {}): MailLink {
    return finish(new URL(this.base), path, params);
  }
}

function finish(url: URL, path: string, params: Record<string, string>): MailLink {
  if (!path.startsWith('/')) throw new Error('The path of a link begins with a slash.');
  url.pathname = url.pathname.replace(/\/$/, '') + path;
  url.search = '';
  url.hash = new URLSearchParams(params).toString();
  return url.toString() as MailLink;
}
