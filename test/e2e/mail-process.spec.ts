import { afterEach, describe, expect, it } from 'vitest';
import { Mailer, MailLinks } from '../../src/mail/index.js';
import { OutboxRelay } from '../../src/outbox/index.js';
import { TenantRunner } from '../../src/tenancy/index.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { startProcess, type TestProcess } from '../kit/test-process.js';
import { startSmtp, type TestSmtp } from '../kit/test-smtp.js';

describe('mail of a process that dies', () => {
  const running: TestProcess[] = [];
  let t: TestApp | undefined;
  let smtp: TestSmtp | undefined;
  afterEach(async () => {
    for (const { child, exited } of running.splice(0)) {
      child.kill('SIGTERM');
      await exited;
    }
    await t?.close();
    await smtp?.close();
  });

  it('is sent again by the next one with the same Message-ID when it was delivered but not noted', async () => {
    const victims: TestProcess[] = [];
    const received: string[] = [];
    smtp = await startSmtp({
      judge: async ({ messageId }) => {
        received.push(messageId ?? '');
        // The server has the whole mail; the sender dies before it hears so.
        for (const { child, exited } of victims.splice(0)) {
          child.kill('SIGKILL');
          await exited;
        }
        return undefined;
      },
    });
    t = await createTestApp({ SMTP_URL: smtp.url });
    const { app, database } = t;
    // This process only writes; the relays are those of the processes below.
    await app.get(OutboxRelay, { strict: false }).beforeApplicationShutdown();
    const env = {
      DATABASE_URL: database.adminUrl,
      MASTER_KEY: database.env.masterKey,
      DATA_DIR: database.env.dataDir,
      SMTP_URL: smtp.url,
    };
    const acme = await t.tenant('acme');
    const start = async () => {
      const started = await startProcess(env);
      running.push(started);
      return started;
    };
    victims.push(await start());
    await app.get(TenantRunner).run(acme, () =>
      app.get(Mailer).send({
        template: 'verify-email',
        to: { address: 'ann@mail.example' },
        data: { expires: 'tomorrow' },
        links: { action: app.get(MailLinks).linkFor(acme, '/verify', { token: 'a' }) },
      }),
    );
    await expect.poll(() => received.length, { timeout: 15_000 }).toBe(1);
    await expect.poll(() => victims.length, { timeout: 15_000 }).toBe(0);
    const [left] = await database.admin<{ id: string; held: boolean }>(
      'SELECT id, next_attempt_at > now() AS held FROM shared.outbox_events',
    );
    expect(left?.held).toBe(true);

    await start();
    // In place of waiting until the dead process's lease has run out.
    await database.admin('UPDATE shared.outbox_events SET next_attempt_at = now()');
    await expect.poll(() => received.length, { timeout: 15_000 }).toBe(2);
    expect(received[1]).toBe(received[0]);
    expect(received[0]).toContain(left?.id ?? 'an event');
    await expect.poll(() => database.admin('SELECT id FROM shared.outbox_events'), { timeout: 15_000 }).toEqual([]);
    expect(received).toHaveLength(2);
  }, 120_000);
});
