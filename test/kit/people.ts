import { newId } from '../../src/common/index.js';
import type { TestApp } from './test-app.js';
import type { ReceivedMail, TestSmtp } from './test-smtp.js';

export interface Person {
  id: string;
  email: string;
}

let count = 0;

/** A new user of a demo tenant, active, with the password of the demo; the address is not verified. */
export async function newPerson(t: TestApp, tenant: string, role = 'member'): Promise<Person> {
  const person = { id: newId(), email: `person-${(count += 1)}@${tenant}.example` };
  await t.database.admin(
    `INSERT INTO everywhere.users (tenant_id, id, email, email_key, name, role, password_hash)
     SELECT tenant_id, $1, $2, $2, 'Quinn', $3, password_hash FROM everywhere.users WHERE email_key = $4`,
    [person.id, person.email, role, `owner@${tenant}.example`],
  );
  return person;
}

/** Moves the tenants to the plan whose clients are not counted by address: a test asks more often than a person. */
export async function liftAddressLimits(t: TestApp): Promise<void> {
  await t.database.admin(`UPDATE platform.tenants SET plan = 'unlimited'`);
  await t.database.admin(`SELECT pg_notify('tenantry_tenants', '')`);
}

/** Waits for the nth mail (from 1) of that subject to an address. */
export async function mailTo(smtp: TestSmtp, address: string, subject: RegExp, nth = 1): Promise<ReceivedMail> {
  const end = Date.now() + 15_000;
  for (;;) {
    const mail = smtp.to(address).filter((one) => subject.test(one.subject ?? ''))[nth - 1];
    if (mail) return mail;
    if (Date.now() > end) throw new Error(`no mail ${nth} about ${subject.source} to ${address}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** The token in the link of a mail. */
export function tokenIn(mail: ReceivedMail): string {
  const token = /#token=([\w-]+)/.exec(mail.text ?? '')?.[1];
  if (!token) throw new Error(`no token in ${mail.text}`);
  return token;
}

/** Waits until the relay has handled everything. */
export async function outboxEmpty(t: TestApp): Promise<void> {
  const end = Date.now() + 15_000;
  while ((await t.database.admin('SELECT 1 FROM everywhere.outbox_events WHERE dead_at IS NULL LIMIT 1')).length > 0) {
    if (Date.now() > end) throw new Error('the outbox does not empty');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
