// Starts the real thing the way a user does, walks through it once, stops it, and starts it again.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { followReadme } from './readme.walk.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dataDir = mkdtempSync(join(tmpdir(), 'tenantry-smoke-'));
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

const freePort = () =>
  new Promise((done, fail) => {
    const server = createServer().once('error', fail);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

const port = await freePort();
const metricsPort = await freePort();
const base = `http://127.0.0.1:${port}`;
const settings = { DATA_DIR: dataDir, PORT: String(port), METRICS_PORT: String(metricsPort) };
let server;
let output = '';

const NPM_START = ['npm', ['start']];
// What `npm start` runs, without npm: npm dies of SIGTERM itself, which would hide the server's own exit code.
const LAUNCHER = [process.execPath, [join(root, 'scripts', 'run.mjs'), 'start']];

function start([command, args]) {
  // In a process group of its own, so that nothing is left behind if we have to give up.
  const child = spawn(command, args, {
    cwd: root,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...settings },
  });
  const keep = (chunk) => {
    current.said += chunk;
    output = (output + chunk).slice(-8000);
  };
  const current = (server = { child, ended: undefined, said: '' });
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  server.exit = new Promise((done) => {
    child.once('exit', (code, signal) => done((current.ended = { code, signal })));
    child.once('error', (error) => done((current.ended = { code: 1, signal: error.message })));
  });
}

async function ready(seconds) {
  const began = Date.now();
  while (Date.now() - began < seconds * 1000) {
    if (server.ended) throw new Error(`the server ended before it was ready: ${JSON.stringify(server.ended)}`);
    try {
      const response = await fetch(`${base}/health/ready`, { signal: AbortSignal.timeout(2000) });
      await response.arrayBuffer();
      if (response.ok) return ((Date.now() - began) / 1000).toFixed(1);
    } catch {
      // not listening yet
    }
    await sleep(200);
  }
  throw new Error(`not ready within ${seconds} s`);
}

/** As a terminal does on Ctrl-C. npm's own end says nothing of the server's; the lock is what it gives back last. */
async function interrupt() {
  const lock = join(dataDir, 'tenantry.lock');
  if (!existsSync(lock)) throw new Error(`the running server holds no ${lock}`);
  process.kill(-server.child.pid, 'SIGINT');
  for (let waited = 0; existsSync(lock); waited += 100) {
    if (waited >= 20_000) throw new Error('no clean stop within 20 s of Ctrl-C');
    await sleep(100);
  }
}

async function stop() {
  server.child.kill('SIGTERM');
  const timeout = sleep(20_000).then(() => undefined);
  const ended = await Promise.race([server.exit, timeout]);
  if (!ended) throw new Error('still running 20 s after SIGTERM');
  if (ended.code !== 0) throw new Error(`expected exit 0 after SIGTERM, got ${JSON.stringify(ended)}`);
}

async function call(method, path, { body, headers = {} } = {}) {
  const response = await fetch(base + path, {
    method,
    headers: { ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
    body: body && JSON.stringify(body),
    signal: AbortSignal.timeout(15_000),
  });
  const text = await response.text();
  let json;
  try {
    json = JSON.parse(text);
  } catch {
    // reported as text below
  }
  return { status: response.status, text, json };
}

const expectThat = (condition, what, answer) => {
  if (!condition) throw new Error(`${what}; got ${answer.status} ${answer.text.slice(0, 600)}`);
};

async function step(name, work) {
  try {
    const note = await work();
    console.log(`ok   ${name}${typeof note === 'string' ? ` (${note})` : ''}`);
    return note;
  } catch (error) {
    console.log(`FAIL ${name}`);
    throw error;
  }
}

async function walk() {
  const sessions = {};
  for (const tenant of ['acme', 'globex']) {
    await step(`${tenant}: open a session`, async () => {
      const answer = await call('POST', '/session', { body: { tenant_id: tenant } });
      expectThat(answer.status < 300 && answer.json?.session_id, 'expected a session_id', answer);
      sessions[tenant] = answer.json.session_id;
    });
    await step(`${tenant}: send a message`, async () => {
      const body = { tenant_id: tenant, session_id: sessions[tenant], message: `Hello from ${tenant}` };
      const answer = await call('POST', '/chat', { body });
      expectThat(answer.status >= 200 && answer.status < 300, 'expected a reply', answer);
    });
  }
  await step("acme's session is refused to globex", async () => {
    const body = { tenant_id: 'globex', session_id: sessions.acme, message: 'Let me in' };
    const answer = await call('POST', '/chat', { body });
    expectThat(
      answer.status === 403 && answer.json?.detail === 'Session does not belong to tenant',
      'expected 403 "Session does not belong to tenant"',
      answer,
    );
  });
  for (const tenant of ['acme', 'globex']) {
    await step(`${tenant}: the session holds two messages`, async () => {
      const path = `/api/sessions/${encodeURIComponent(sessions[tenant])}/messages`;
      const answer = await call('GET', path, { headers: { 'x-tenant-id': tenant } });
      const items = Array.isArray(answer.json) ? answer.json : answer.json?.items;
      expectThat(answer.status === 200 && items?.length === 2, 'expected 2 items', answer);
    });
  }
  await signIn();
}

async function signIn() {
  const headers = { 'x-tenant-id': 'acme' };
  await step("acme's owner signs in", async () => {
    const body = { email: 'owner@acme.example', password: 'demo-password' };
    const answer = await call('POST', '/api/auth/login', { headers, body });
    expectThat(answer.status === 200 && answer.json?.access_token, 'expected an access_token', answer);
    headers.authorization = `Bearer ${answer.json.access_token}`;
  });
  await step('they are the owner', async () => {
    const answer = await call('GET', '/api/auth/me', { headers });
    expectThat(answer.status === 200 && answer.json?.role === 'owner', 'expected the owner', answer);
  });
  await step('their sign-in is in the audit log', async () => {
    const answer = await call('GET', '/api/audit?limit=3', { headers });
    const events = answer.json?.items?.map(({ event }) => event) ?? [];
    expectThat(answer.status === 200 && events.includes('user.signed-in'), 'expected user.signed-in', answer);
  });
  await step("their token is nothing at globex's", async () => {
    const answer = await call('GET', '/api/auth/me', { headers: { ...headers, 'x-tenant-id': 'globex' } });
    expectThat(answer.status === 404 && answer.json?.code === 'tenant_not_found', 'expected tenant_not_found', answer);
  });
}

/** What the server has said, or says within seconds, as a reader looks it up on the screen. */
async function onScreen(pattern) {
  for (let waited = 0; waited < 10_000; waited += 100) {
    const found = server.said.match(pattern);
    if (found) return found[1];
    await sleep(100);
  }
  throw new Error(`the server never said ${pattern}`);
}

/** The examples of README.md, from its own text. */
async function readme() {
  const surroundings = { base: `http://localhost:${port}`, env: settings };
  await step('README: a walk with curl', () => followReadme(root, 'A walk with curl', surroundings));
  await step('README: provision your first customer', () =>
    followReadme(root, 'Provision your first customer', {
      ...surroundings,
      replacements: {
        'the one-time password': () => onScreen(/one-time password ([^\s,)]+)/),
        'what stands behind #token=': () => onScreen(/umbrella[^\s"]*#token=([^\s"\\]+)/),
      },
    }),
  );
}

for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));
process.once('exit', () => {
  if (server) {
    try {
      process.kill(-server.child.pid, 'SIGKILL');
    } catch {
      // already gone
    }
  }
  rmSync(dataDir, { recursive: true, force: true });
});

try {
  start(NPM_START);
  await step('npm start', async () => `ready after ${await ready(180)} s`);
  await walk();
  await readme();
  await step('stop by Ctrl-C', interrupt);
  output = '';
  start(LAUNCHER);
  await step('second start', async () => `ready after ${await ready(20)} s`);
  await step('stop by SIGTERM', stop);
  console.log('Smoke test passed.');
  process.exit(0);
} catch (error) {
  console.error(`\n${error.message}\n\n--- the server's last output ---\n${output}`);
  process.exit(1);
}
