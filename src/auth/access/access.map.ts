import { type INestApplication, RequestMethod } from '@nestjs/common';
import { DiscoveryService, MetadataScanner } from '@nestjs/core';
import { ACCESS, type Access } from './access.decorator.js';

/**
 * Route × access, sorted.
 *
 * @throws Error when a route declares none
 */
export function accessMap(app: INestApplication): Record<string, Access> {
  const scanner = new MetadataScanner();
  const entries: [string, Access][] = [];
  for (const { instance, metatype } of app.get(DiscoveryService, { strict: false }).getControllers()) {
    if (!instance || typeof metatype !== 'function') continue;
    const base = Reflect.getMetadata('path', metatype) as string;
    const prototype = Object.getPrototypeOf(instance) as Record<string, object>;
    for (const name of scanner.getAllMethodNames(prototype)) {
      const handler = prototype[name];
      if (!handler) continue;
      const route = Reflect.getMetadata('path', handler) as string | undefined;
      if (route === undefined) continue;
      const method = RequestMethod[Reflect.getMetadata('method', handler) as number];
      const access = (Reflect.getMetadata(ACCESS, handler) ?? Reflect.getMetadata(ACCESS, metatype)) as
        Access | undefined;
      const title = `${method} /${[base, route]
        .map((part) => part.replace(/^\/|\/$/g, ''))
        .filter(Boolean)
        .join('/')}`;
      if (!access) throw new Error(`Route ${title} declares no access.`);
      entries.push([title, access]);
    }
  }
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)));
}
