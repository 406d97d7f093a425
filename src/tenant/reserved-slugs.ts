/** First path segments of the service's own routes; a test compares them with the route table. */
const ROUTE_SEGMENTS = ['api', 'session', 'chat', 'health', 'docs', 'openapi', '.well-known'];

const RESERVED = new Set([
  ...ROUTE_SEGMENTS,
  ...['admin', 'app', 'assets', 'console', 'internal', 'mail', 'metrics', 'static', 'v1', 'www'],
]);

/** Slugs that no tenant may have, because an address of the service itself would be shadowed by it. */
export function isReservedSlug(slug: string): boolean {
  return RESERVED.has(slug);
}
