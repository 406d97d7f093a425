// Baseline (a): Express and a pg pool, every query scoped by a hand-written WHERE tenant_id, no row security.
import express from 'express';
import pg from 'pg';
import { v7 as newId } from 'uuid';
import * as common from './common.mjs';

const tenants = common.loadTenants();
const pool = new pg.Pool({ connectionString: common.databaseUrl, max: common.poolSize });
const app = express();
app.use(common.accessLog());
app.use(express.json({ limit: '256kb' }));

app.get('/', (_request, response) => response.json({ ok: true }));

app.post('/session', async (request, response) => {
  const tenant = tenants.get(request.body?.tenant_id);
  if (!tenant) return response.status(404).json({ code: 'unknown_tenant' });
  const token = common.newToken();
  await pool.query(
    `INSERT INTO chat_sessions (tenant_id, id, token_hash, created_at, last_active_at) VALUES ($1, $2, $3, now(), now())`,
    [tenant.id, newId(), common.hashOf(token)],
  );
  const { slug, name, welcome } = tenant;
  response.status(201).json({ session_id: token, tenant: { id: slug, name, welcome } });
});

app.post('/chat', async (request, response) => {
  const { body } = request;
  if (!common.isChat(body)) return response.status(400).json({ code: 'invalid' });
  const tenant = tenants.get(body.tenant_id);
  if (!tenant) return response.status(404).json({ code: 'unknown_tenant' });
  const asked = new Date();
  const reply = common.replyOf(tenant, body.message);
  const stored = await pool.query(
    `INSERT INTO chat_messages (tenant_id, id, session_id, role, content, model, created_at)
     SELECT s.tenant_id, m.id, s.id, m.role, m.content, m.model, m.at
       FROM chat_sessions s
      CROSS JOIN (VALUES ($3::uuid, 'user', $4::text, NULL, $5::timestamptz),
                         ($6::uuid, 'assistant', $7::text, $8::text, now())) AS m (id, role, content, model, at)
      WHERE s.tenant_id = $1 AND s.token_hash = $2 AND s.last_active_at > $9
     RETURNING id`,
    [
      tenant.id,
      common.hashOf(body.session_id),
      newId(),
      body.message,
      asked,
      newId(),
      reply,
      tenant.model,
      new Date(asked.getTime() - common.SESSION_IDLE_MS),
    ],
  );
  if (stored.rowCount !== 2) return response.status(404).json({ code: 'unknown_session' });
  response.json({ tenant_id: tenant.slug, session_id: body.session_id, reply, model: tenant.model, mock: true });
});

app.get('/api/sessions/:id', async (request, response) => {
  const tenant = tenants.get(request.get('x-tenant-id'));
  if (!tenant) return response.status(404).json({ code: 'unknown_tenant' });
  const { rows } = await pool.query(
    `SELECT id, created_at AS "createdAt", last_active_at AS "lastActiveAt" FROM chat_sessions
      WHERE tenant_id = $1 AND token_hash = $2 AND last_active_at > $3`,
    [tenant.id, common.hashOf(request.params.id), new Date(Date.now() - common.SESSION_IDLE_MS)],
  );
  if (rows.length === 0) return response.status(404).json({ code: 'unknown_session' });
  response.json(common.sessionView(tenant, rows[0]));
});

const server = app.listen(common.port, '127.0.0.1');
common.stopWith(() => server.closeAllConnections());
