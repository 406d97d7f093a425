import { inject } from 'vitest';
import type { PlaceKind } from '../../src/tenant/index.js';
import { TEMPLATE } from './test-env.js';

/** Where the tenants of a run live, or what lies between the application and them. */
export type Model = 'shared' | 'schema' | 'database' | 'pgbouncer';

declare module 'vitest' {
  interface ProvidedContext {
    model: Model;
  }
}

/** What tenants of this run get a place of; none where they share tables. */
export function placeKind(model: Model = inject('model')): PlaceKind | undefined {
  return model === 'schema' || model === 'database' ? model : undefined;
}

/** The database that test databases of a model are cloned from. */
export function templateOf(model: Model): string {
  const kind = placeKind(model);
  return kind === undefined ? TEMPLATE : `${TEMPLATE}_${kind}`;
}
