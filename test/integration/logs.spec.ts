import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Logger } from '@nestjs/common';
import { TenantRunner, TenantTransaction } from '../../src/tenancy/index.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

const SECRET = 'what acme told nobody';

describe('the log line of a failed statement', () => {
  let t: TestApp;
  beforeAll(async () => {
    t = await createTestApp();
  });
  afterAll(() => t.close());

  const errors = () =>
    t.logs
      .map((line) => JSON.parse(line) as { level: string; err?: Record<string, unknown> })
      .filter(({ level, err }) => level === 'error' && err);

  it("tells what failed and not what acme's visitor wrote", async () => {
    await t.database.admin(
      `ALTER TABLE everywhere.chat_messages ADD CONSTRAINT no_telling CHECK (content NOT LIKE '%told nobody%')`,
    );
    const session = await t.session('acme');
    const answer = await t.request('POST', '/chat', {
      body: { tenant_id: 'acme', session_id: session, message: SECRET },
    });
    expect([answer.status, answer.json.code]).toEqual([500, 'internal_error']);
    expect(answer.text).not.toContain('no_telling');
    expect(errors().at(-1)?.err).toMatchObject({
      type: 'QueryFailedError',
      code: '23514',
      constraint: 'no_telling',
      query: expect.stringContaining('INSERT INTO chat_messages'),
      given: '[redacted]',
    });
    expect(t.logs.join('')).not.toContain(SECRET);
    expect(t.logs.join('')).not.toContain(session);
  });

  it.each([
    [
      'of the wrong type',
      'SELECT $1::text::uuid',
      [SECRET],
      '22P02',
      'invalid input syntax for type uuid: "[redacted]"',
    ],
    ['with quotes in it', 'SELECT $1::text::int', [`"${SECRET}" "x`], '22P02', 'for type integer: "[redacted]"'],
    ['that is no JSON', 'SELECT $1::text::json', [`{${SECRET}`], '22P02', 'invalid input syntax for type json'],
    [
      'twice',
      `INSERT INTO chat_sessions (tenant_id, id, token_hash)
       SELECT $2, gen_random_uuid(), convert_to($1, 'UTF8') FROM generate_series(1, 2)`,
      [SECRET],
      '23505',
      'duplicate key',
    ],
  ])('does not quote a value %s', async (_name, sql, values, code, message) => {
    const acme = await t.tenant('acme');
    const given = sql.includes('$2') ? [...values, acme.id] : values;
    const failure: unknown = await t.app
      .get(TenantRunner)
      .run(acme, () => t.app.get(TenantTransaction).query(sql, given))
      .catch((error: unknown) => error);
    expect(JSON.stringify(failure)).toContain('told nobody');
    new Logger('Test').error({ err: failure }, 'It failed');
    const { err } = errors().at(-1)!;
    expect(err).toMatchObject({
      code,
      message: expect.stringContaining(message),
      stack: expect.stringContaining('at '),
    });
    // PostgreSQL quotes values here too.
    for (const field of ['detail', 'where', 'parameters']) expect(err).not.toHaveProperty(field);
    expect(t.logs.join('')).not.toContain('told nobody');
    expect(t.logs.join('')).not.toContain(Buffer.from(SECRET).toString('hex'));
  });
});
