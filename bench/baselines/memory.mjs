// Baseline (c): everything in memory in Express. It stores nothing, so it is shown for information only.
import express from 'express';
import { v7 as newId } from 'uuid';
import * as common from './common.mjs';

const tenants = common.loadTenants();
const sessions = new Map();
const app = express();
app.use(common.accessLog());
app.use(express.json({ limit: '256kb' }));

app.get('/', (_request, response) => response.json({ ok: true }));

app.post('/session', (request, response) => {
  const tenant = tenants.get(request.body?.tenant_id);
  if (!tenant) return response.status(404).json({ code: 'unknown_tenant' });
  const token = common.newToken();
  const now = new Date();
  sessions.set(token, { id: newId(), tenant, createdAt: now, lastActiveAt: now });
  const { slug, name, welcome } = tenant;
  response.status(201).json({ session_id: token, tenant: { id: slug, name, welcome } });
});

app.post('/chat', (request, response) => {
  const { body } = request;
  if (!common.isChat(body)) return response.status(400).json({ code: 'invalid' });
  const tenant = tenants.get(body.tenant_id);
  const session = sessions.get(body.session_id);
  if (!tenant || session?.tenant !== tenant) return response.status(404).json({ code: 'unknown_session' });
  const reply = common.replyOf(tenant, body.message);
  response.json({ tenant_id: tenant.slug, session_id: body.session_id, reply, model: tenant.model, mock: true });
});

app.get('/api/sessions/:id', (request, response) => {
  const tenant = tenants.get(request.get('x-tenant-id'));
  const session = sessions.get(request.params.id);
  if (!tenant || session?.tenant !== tenant) return response.status(404).json({ code: 'unknown_session' });
  response.json(common.sessionView(tenant, session));
});

const server = app.listen(common.port, '127.0.0.1');
common.stopWith(() => server.closeAllConnections());
