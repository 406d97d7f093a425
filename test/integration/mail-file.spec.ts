import { readdir, readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import PostalMime from 'postal-mime';
import { describe, expect, it } from 'vitest';
import { Mailer, MailLinks } from '../../src/mail/index.js';
import { TenantRunner } from '../../src/tenancy/index.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

const eventually = { timeout: 15_000, interval: 20 };

async function reset(t: TestApp): Promise<void> {
  const acme = await t.tenant('acme');
  const action = t.app.get(MailLinks).linkFor(acme, '/reset-password', { token: 'one-time' });
  await t.app.get(TenantRunner).run(acme, () =>
    t.app.get(Mailer).send({
      template: 'reset-password',
      to: { address: 'ann@mail.example' },
      data: { expires: 'in an hour' },
      links: { action },
    }),
  );
}

async function written(t: TestApp): Promise<string> {
  const folder = path.join(t.database.env.dataDir, 'mail');
  const files = async () => (await readdir(folder).catch(() => [])).map((name) => path.join(folder, name));
  const done = async () =>
    (await t.database.admin('SELECT id FROM shared.outbox_events')).length === 0 ? files() : undefined;
  await expect.poll(done, eventually).toEqual([expect.stringMatching(/\.eml$/)]);
  return (await files())[0] ?? '';
}

/** The log: the logger is one for the whole process, so the lines of any app after the first are the first's. */
let lines: string[] = [];

describe('mail without SMTP_URL', () => {
  it('never shows a link or a recipient in a log outside the demo', async () => {
    const t = await createTestApp({ DEMO: 'off' });
    lines = t.logs;
    try {
      await t.import([{ slug: 'acme' }]);
      await reset(t);
      expect(await readFile(await written(t), 'utf8')).toContain('#token=3Done-time');
      expect(lines.filter((line) => line.includes('Mail written'))).toHaveLength(1);
      expect(lines.join('')).not.toMatch(/token=|one-time|ann@mail/);
      expect(lines.some((line) => line.includes('SMTP_URL is not set'))).toBe(true);
    } finally {
      await t.close();
    }
  });

  it('is a file for the owner of the process alone, with the link in the log of the demo', async () => {
    const t = await createTestApp();
    try {
      lines.length = 0;
      await reset(t);
      const file = await written(t);
      expect((await stat(file)).mode & 0o777).toBe(0o600);
      expect((await stat(path.dirname(file))).mode & 0o777).toBe(0o700);
      const mail = await PostalMime.parse(await readFile(file));
      expect(mail.to).toMatchObject([{ address: 'ann@mail.example' }]);
      expect(mail.text).toContain('#token=one-time');
      expect(path.basename(file)).toBe(`${mail.messageId?.slice(1, 37)}-reset-password.eml`);
      expect(lines.find((line) => line.includes('Mail written'))).toContain('#token=one-time');
    } finally {
      await t.close();
    }
  });
});
