// The load client: a process of its own, forked by run.mjs, that takes one job at a time over IPC.
// Each connection keeps exactly one request in flight; responses must carry Content-Length.
import net from 'node:net';

class Connection {
  constructor(port) {
    this.buffer = Buffer.alloc(0);
    this.socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
    this.socket.on('data', (chunk) => this.receive(chunk));
    this.socket.on('error', (error) => this.fail(error));
    this.socket.on('close', () => this.fail(new Error('closed by the server')));
  }

  /** Sends one request; `done(status, body, error)` is called once. */
  send(request, done) {
    this.done = done;
    if (this.broken) return setImmediate(() => this.settle(0, undefined, this.broken));
    this.socket.write(request);
  }

  receive(chunk) {
    this.buffer = this.buffer.length === 0 ? chunk : Buffer.concat([this.buffer, chunk]);
    const end = this.buffer.indexOf('\r\n\r\n');
    if (end < 0) return;
    const head = this.buffer.latin1Slice(0, end);
    const length = /\r\ncontent-length: (\d+)/i.exec(head);
    if (!length) return this.fail(new Error(`an answer without Content-Length: ${head.slice(0, 60)}`));
    const total = end + 4 + Number(length[1]);
    if (this.buffer.length < total) return;
    const body = this.buffer.subarray(end + 4, total);
    this.buffer = this.buffer.subarray(total);
    this.settle(Number(head.slice(9, 12)), body);
  }

  fail(error) {
    this.broken ??= error;
    this.socket.destroy();
    this.settle(0, undefined, this.broken);
  }

  settle(status, body, error) {
    const { done } = this;
    this.done = undefined;
    done?.(status, body, error);
  }

  end() {
    this.done = undefined;
    this.socket.destroy();
  }
}

function sending(method, path, slug, body, more = '') {
  const text = JSON.stringify(body);
  return Buffer.from(
    `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nX-Tenant-ID: ${slug}\r\nContent-Type: application/json\r\n` +
      `${more}Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
}

const post = (path, slug, body) => sending('POST', path, slug, body);
let names = 0;

const REQUESTS = {
  chat: ({ slug, session }) =>
    post('/chat', slug, { tenant_id: slug, session_id: session, message: 'hello, can you help me with my order?' }),
  'session-read': ({ slug, session }) =>
    Buffer.from(`GET /api/sessions/${session} HTTP/1.1\r\nHost: localhost\r\nX-Tenant-ID: ${slug}\r\n\r\n`),
  'signed-in-read': ({ slug, session, token }) =>
    Buffer.from(
      `GET /api/sessions/${session} HTTP/1.1\r\nHost: localhost\r\nX-Tenant-ID: ${slug}\r\n` +
        `Authorization: Bearer ${token}\r\n\r\n`,
    ),
  rename: ({ slug, token }) =>
    sending('PATCH', '/api/auth/me', slug, { name: `Owner ${names++}` }, `Authorization: Bearer ${token}\r\n`),
  get: ({ path, token }) =>
    Buffer.from(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`),
  'sign-in': ({ slug, email, password }) => post('/api/auth/login', slug, { email, password }),
};

/** Signs one user per tenant in and opens sessions of theirs; returns the UUIDs with the token. */
async function openSignedIn({ port, slugs }) {
  const call = async (path, slug, token, body) => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method: body ? 'POST' : 'GET',
      headers: {
        'content-type': 'application/json',
        'x-tenant-id': slug,
        ...(token && { authorization: `Bearer ${token}` }),
      },
      body: body && JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
    return response.json();
  };
  const tokens = {};
  const sessions = [];
  for (const slug of slugs) {
    tokens[slug] ??= (
      await call('/api/auth/login', slug, undefined, { email: `owner@${slug}.example`, password: 'demo-password' })
    ).access_token;
    const { session_id: credential } = await call('/session', slug, tokens[slug], {});
    const { id } = await call(`/api/sessions/${credential}`, slug, tokens[slug]);
    sessions.push({ slug, session: id, token: tokens[slug] });
  }
  return sessions;
}

/** Opens one session per slug, in the order given. */
async function open({ port, slugs }) {
  const sessions = new Array(slugs.length);
  let next = 0;
  const work = async () => {
    const connection = new Connection(port);
    while (next < slugs.length) {
      const index = next++;
      const slug = slugs[index];
      sessions[index] = await new Promise((resolve, reject) => {
        connection.send(post('/session', slug, { tenant_id: slug }), (status, body, error) => {
          if (status === 201) resolve({ slug, session: JSON.parse(body.toString()).session_id });
          else reject(error ?? new Error(`POST /session answered ${status}: ${body}`));
        });
      });
    }
    connection.end();
  };
  await Promise.all(Array.from({ length: 16 }, work));
  return sessions;
}

/** How the next session is chosen: evenly at random, or by rank with P(k) ~ 1/k. */
function chooser(access, count) {
  if (access !== 'zipf') return () => Math.floor(Math.random() * count);
  const sums = new Float64Array(count);
  let sum = 0;
  for (let rank = 1; rank <= count; rank++) sums[rank - 1] = sum += 1 / rank;
  return () => {
    const wanted = Math.random() * sum;
    let low = 0;
    for (let high = count - 1; low < high;) {
      const middle = (low + high) >> 1;
      if (sums[middle] < wanted) low = middle + 1;
      else high = middle;
    }
    return low;
  };
}

function measure({ port, scenario, sessions, access, connections, warmupMs, measureMs }) {
  const requests = sessions.map(REQUESTS[scenario]);
  const choose = chooser(access, requests.length);
  const times = [];
  let [errors, firstError] = [0, undefined];
  return new Promise((resolve) => {
    const started = performance.now();
    const from = started + warmupMs;
    const until = from + measureMs;
    const all = Array.from({ length: connections }, () => new Connection(port));
    let left = connections;
    const loop = (connection) => {
      const sent = performance.now();
      if (sent >= until) {
        connection.end();
        if (--left === 0) finish();
        return;
      }
      connection.send(requests[choose()], (status, body, error) => {
        const now = performance.now();
        if (status < 200 || status > 299) {
          errors += 1;
          firstError ??= error?.message ?? `${status} ${String(body).slice(0, 200)}`;
        } else if (now >= from && now < until) times.push(now - sent);
        if (error) {
          if (--left === 0) finish();
        } else loop(connection);
      });
    };
    const finish = () => {
      times.sort((a, b) => a - b);
      const at = (share) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? NaN;
      resolve({ rps: (times.length * 1000) / measureMs, p50: at(0.5), p99: at(0.99), errors, firstError });
    };
    all.forEach(loop);
  });
}

/**
 * An open loop: each session's requests are due at fixed moments, whatever became of those before, and take as long as from
 * that moment to the answer. Waiting for a free connection counts, or a slow service would be asked less often.
 *
 * @param input.rate requests/s of each session @param input.most connections
 */
function offer({ port, scenario, sessions, rate, most, warmupMs, measureMs }) {
  const requests = sessions.map(REQUESTS[scenario]);
  const gap = 1000 / (rate * requests.length);
  const times = [];
  const statuses = {};
  const idle = [];
  const due = [];
  let [open, sent, answered, firstError] = [0, 0, 0, undefined];
  return new Promise((resolve) => {
    const started = performance.now();
    const from = started + warmupMs;
    const all = Math.floor((warmupMs + measureMs) / gap);
    const send = (connection, at) => {
      connection.send(requests[at % requests.length], (status, body, error) => {
        const intended = started + at * gap;
        answered += 1;
        if (intended >= from) {
          statuses[status] = (statuses[status] ?? 0) + 1;
          if (status >= 200 && status <= 299) times.push(performance.now() - intended);
          else firstError ??= error?.message ?? `${status} ${String(body).slice(0, 200)}`;
        }
        if (error) open -= 1;
        else if (due.length > 0) return send(connection, due.shift());
        else idle.push(connection);
        if (answered === all) finish();
      });
    };
    const tick = () => {
      const reached = Math.min(all, Math.floor((performance.now() - started) / gap) + 1);
      while (sent < reached) {
        const at = sent++;
        const connection = idle.pop() ?? (open < most ? (open++, new Connection(port)) : undefined);
        if (connection) send(connection, at);
        else due.push(at);
      }
      if (sent < all) setTimeout(tick, 1);
    };
    const finish = () => {
      idle.forEach((connection) => connection.end());
      times.sort((a, b) => a - b);
      resolve({ offered: 1000 / gap, times, statuses, firstError });
    };
    tick();
  });
}

const JOBS = { open, openSignedIn, measure, offer };

process.on('message', ({ id, job, input }) => {
  JOBS[job](input).then(
    (output) => process.send({ id, output }),
    (error) => process.send({ id, error: error.message }),
  );
});
process.on('disconnect', () => process.exit());
