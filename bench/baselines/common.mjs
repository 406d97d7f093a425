// What every baseline shares, so that they differ only in how they are built.
import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { pino } from 'pino';

export const SESSION_IDLE_MS = 24 * 60 * 60 * 1000;
export const MAX_MESSAGE_BYTES = 32 * 1024;

/** Tenants by slug, held in memory from the start: a baseline never looks one up. */
export function loadTenants() {
  const file = new URL('../../tenants.jsonl', import.meta.url);
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return new Map(
    lines.map((line) => {
      const tenant = JSON.parse(line);
      const hex = createHash('sha256').update(tenant.id).digest('hex');
      const id = `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
      return [tenant.id, { id, slug: tenant.id, name: tenant.name, welcome: tenant.welcome, model: tenant.model }];
    }),
  );
}

export const newToken = () => randomBytes(32).toString('base64url');
export const hashOf = (token) => createHash('sha256').update(token).digest();

export function replyOf(tenant, message) {
  const text = message.trim();
  const head = `${tenant.welcome} [${tenant.slug.toUpperCase()} MOCK]`;
  if (tenant.model === 'mock-1')
    return `${head} You said: '${text}'. Here's it reversed: '${[...text].reverse().join('')}'`;
  if (tenant.model === 'mock-2') return `${head} Echo: ${text.toUpperCase()}`;
  return `${head} Got it. '${text}'. (pretend-smart summary).`;
}

export function sessionView(tenant, session) {
  return {
    id: session.id,
    tenant_id: tenant.slug,
    created_at: session.createdAt.toISOString(),
    last_active_at: session.lastActiveAt.toISOString(),
    expires_at: new Date(session.lastActiveAt.getTime() + SESSION_IDLE_MS).toISOString(),
  };
}

/** One line per request, as small as Tenantry's. */
export function accessLog() {
  const logger = pino({ level: 'info', base: undefined, timestamp: pino.stdTimeFunctions.isoTime });
  return (request, response, next) => {
    const started = performance.now();
    const path = request.originalUrl;
    response.once('close', () => {
      const ms = Math.round((performance.now() - started) * 100) / 100;
      logger.info({ method: request.method, path, status: response.statusCode, ms }, 'request');
    });
    next();
  };
}

export function isChat(body) {
  const { session_id: session, message } = body ?? {};
  return typeof session === 'string' && typeof message === 'string' && message.trim() !== '' && fits(message);
}

export const fits = (message) => Buffer.byteLength(message) <= MAX_MESSAGE_BYTES;

export const poolSize = Number(process.env.DATABASE_POOL_SIZE ?? 10);
export const databaseUrl = process.env.DATABASE_URL;
export const port = Number(process.env.PORT);

export function stopWith(close) {
  process.on('SIGTERM', () => {
    close();
    process.exit(0);
  });
}
