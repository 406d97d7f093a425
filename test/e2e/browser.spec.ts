import { readFileSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFailed } from 'vitest';
import { findChromium, launchBrowser, openPage, saveScreenshot, type WatchedPage } from '../kit/browser.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';
import { ROOT_ENV, signInAdmin } from '../kit/platform.js';

/** Operations that cannot succeed as they stand, by operationId, and why. */
const NOT_EXECUTED: Record<string, string> = {
  'Tenants.create': 'needs a signed-in platform admin; see the walk below',
  'Tenants.list': 'needs a signed-in platform admin; see the walk below',
  'Tenants.read': 'needs a signed-in platform admin; see the walk below',
  'Tenants.change': 'needs a signed-in platform admin; see the walk below',
  'Tenants.retry': 'needs a tenant whose provisioning failed',
  'Tenants.rollBack': 'needs a tenant whose provisioning failed',
  'Lifecycle.suspend': 'needs a signed-in platform admin; see the walk below',
  'Lifecycle.resume': 'needs a signed-in platform admin; see the walk below',
  'Lifecycle.archive': 'needs a signed-in platform admin; see the walk below',
  'Lifecycle.restore': 'needs a signed-in platform admin; see the walk below',
  'Lifecycle.remove': 'needs a signed-in platform admin; see the walk below',
  'Moves.begin': 'needs a signed-in platform admin',
  'Moves.present': 'needs a signed-in platform admin',
  'Moves.list': 'needs a signed-in platform admin',
  'Moves.abort': 'needs a signed-in platform admin and a move under way',
  'Archives.export': 'needs a signed-in platform admin',
  'Archives.import': 'needs a signed-in platform admin and an archive',
  'Backups.list': 'needs a signed-in platform admin',
  'Backups.order': 'needs a signed-in platform admin',
  'Restores.begin': 'needs a signed-in platform admin and a backup',
  'Restores.list': 'needs a signed-in platform admin',
  'Restores.read': 'needs a signed-in platform admin and a restore',
  'Restores.listDifferences': 'needs a signed-in platform admin and a restore',
  'Restores.swap': 'needs a signed-in platform admin and a restore that is ready',
  'Restores.discard': 'needs a signed-in platform admin and a restore',
  'History.status': 'needs a signed-in platform admin',
  'History.keep': 'needs a signed-in platform admin and BACKUP_DIR',
  'History.drop': 'needs a signed-in platform admin',
  'TenantExport.export': 'needs a signed-in owner',
  'Servers.list': 'needs a signed-in platform admin',
  'Servers.add': 'needs a signed-in platform admin and another database server',
  'Servers.find': 'needs a signed-in platform admin',
  'Servers.change': 'needs a signed-in platform admin',
  'Servers.remove': 'needs a signed-in platform admin and a server that nothing is on',
  'Plans.list': 'needs a signed-in platform admin; see the walk below',
  'Plans.change': 'needs a signed-in platform admin; see the walk below',
  'SignIn.refresh': 'needs a refresh token, which works once; see the walk below',
  'SignIn.logout': 'needs a refresh token; see the walk below',
  'SignIn.logoutAll': 'needs a signed-in user; see the walk below',
  'SignIn.me': 'needs a signed-in user; see the walk below',
  'Sso.start': 'leads to the provider of a tenant that has one',
  'Sso.callback': 'needs the answer of a provider',
  'Sso.redeem': 'needs a code of a sign-in at a provider',
  'Audit.list': 'needs a signed-in user; see the walk below',
  'Features.list': 'needs a signed-in user',
  'Files.upload': 'needs a signed-in user',
  'Files.list': 'needs a signed-in user',
  'Files.usage': 'needs a signed-in user',
  'Files.get': 'needs a signed-in user',
  'Files.content': 'needs a signed-in user or a link',
  'Files.link': 'needs a signed-in user',
  'Files.remove': 'needs a signed-in user',
  'Account.rename': 'needs a signed-in person',
  'Account.changePassword': 'needs a signed-in person',
  'Account.changeEmail': 'needs a signed-in person',
  'Account.sendVerification': 'needs a signed-in person',
  'Account.resetPassword': 'needs the token of a mail',
  'Account.verifyEmail': 'needs the token of a mail',
  'Devices.list': 'needs a signed-in person',
  'Devices.signOut': 'needs a signed-in person, and signs them out',
  'Mfa.login': 'needs an mfa_token',
  'Mfa.enrol': 'needs a signed-in person or an mfa_token',
  'Mfa.confirm': 'needs a code of an authenticator app',
  'Mfa.disable': 'needs a code of an authenticator app',
  'Mfa.recoveryCodes': 'needs a code of an authenticator app',
  'WhichTenants.whichTenants': "is not found on a tenant's own address",
  'ApiKey.create': 'needs a signed-in user',
  'ApiKey.list': 'needs a signed-in user',
  'ApiKey.get': 'needs a signed-in user',
  'ApiKey.change': 'needs a signed-in user',
  'ApiKey.rotate': 'needs a signed-in user',
  'ApiKey.revoke': 'needs a signed-in user',
  'PersonalData.data': 'needs a signed-in user',
  'PersonalData.remove': 'needs a signed-in user, and deletes them',
  'Session.list': 'needs a signed-in user',
  'Session.remove': 'needs a signed-in user',
  'Identities.list': 'needs a signed-in user',
  'Identities.unlink': 'needs a signed-in user',
  'UserIdentities.list': 'needs an admin who is signed in',
  'UserIdentities.unlink': 'needs an admin who is signed in',
  'Users.list': 'needs an admin who is signed in',
  'Users.create': 'needs an admin who is signed in',
  'Users.find': 'needs an admin who is signed in',
  'Users.change': 'needs an admin who is signed in',
  'Users.remove': 'needs an admin who is signed in',
  'Domains.list': 'needs an admin who is signed in',
  'Domains.add': 'needs an admin who is signed in',
  'Domains.find': 'needs an admin who is signed in',
  'Domains.verify': 'needs an admin who is signed in',
  'Domains.change': 'needs an admin who is signed in',
  'Domains.remove': 'needs an admin who is signed in',
  'Config.list': 'needs an admin who is signed in',
  'Config.change': 'needs an admin who is signed in',
  'Config.find': 'needs an admin who is signed in',
  'Config.put': 'needs an admin who is signed in',
  'Config.remove': 'needs an admin who is signed in',
  'Config.history': 'needs an admin who is signed in',
  'Config.restore': 'needs an admin who is signed in, and a change',
  'Resources.list': 'needs an admin who is signed in',
  'Resources.check': 'needs an admin who is signed in, and a resource',
  'TenantResources.list': 'needs a signed-in platform admin',
  'TenantConfig.list': 'needs a signed-in platform admin',
  'TenantConfig.change': 'needs a signed-in platform admin',
  'TenantConfig.find': 'needs a signed-in platform admin',
  'TenantConfig.put': 'needs a signed-in platform admin',
  'TenantConfig.remove': 'needs a signed-in platform admin',
  'TenantConfig.history': 'needs a signed-in platform admin',
  'TenantConfig.restore': 'needs a signed-in platform admin, and a change',
  'PlanConfig.list': 'needs a signed-in platform admin',
  'PlanConfig.change': 'needs a signed-in platform admin',
  'PlanConfig.find': 'needs a signed-in platform admin',
  'PlanConfig.put': 'needs a signed-in platform admin',
  'PlanConfig.remove': 'needs a signed-in platform admin',
  'PlanConfig.history': 'needs a signed-in platform admin',
  'PlanConfig.restore': 'needs a signed-in platform admin, and a change',
  'AdminConfig.list': 'needs a signed-in platform admin',
  'AdminConfig.change': 'needs a signed-in platform admin',
  'AdminConfig.find': 'needs a signed-in platform admin',
  'AdminConfig.put': 'needs a signed-in platform admin',
  'AdminConfig.remove': 'needs a signed-in platform admin',
  'AdminConfig.history': 'needs a signed-in platform admin',
  'AdminConfig.restore': 'needs a signed-in platform admin, and a change',
  'Branding.picture': 'needs a tenant that has a logo',
  'Branding.set': 'needs an admin who is signed in',
  'Branding.remove': 'needs an admin who is signed in',
  'Sandboxes.list': 'needs an owner who is signed in',
  'Sandboxes.create': 'needs an owner who is signed in',
  'Sandboxes.find': 'needs an owner who is signed in',
  'Sandboxes.reset': 'needs an owner who is signed in',
  'Sandboxes.access': 'needs an owner who is signed in',
  'Sandboxes.remove': 'needs an owner who is signed in',
  'SandboxAccess.redeem': 'needs a code, which works once',
  'Roles.permissions': 'needs an admin who is signed in',
  'Roles.list': 'needs an admin who is signed in',
  'Roles.create': 'needs an admin who is signed in',
  'Roles.find': 'needs an admin who is signed in',
  'Roles.change': 'needs an admin who is signed in',
  'Roles.remove': 'needs an admin who is signed in',
  'Invitations.list': 'needs an admin who is signed in',
  'Invitations.invite': 'needs an admin who is signed in',
  'Invitations.resend': 'needs an admin who is signed in',
  'Invitations.revoke': 'needs an admin who is signed in',
  'Invitations.accept': 'needs the token of a mail',
  'PlatformSignIn.login': "the first admin's password is on the screen of the first start only",
  'PlatformSignIn.loginMfa': 'needs an mfa_token',
  'PlatformSignIn.refresh': 'needs a refresh token, which works once',
  'PlatformSignIn.logout': 'needs a refresh token, and ends it',
  'PlatformSignIn.logoutAll': 'needs a signed-in platform admin',
  'PlatformSignIn.me': 'needs a signed-in platform admin',
  'PlatformAccount.changePassword': 'needs a signed-in platform admin',
  'Admins.list': 'needs a signed-in platform admin',
  'Admins.create': 'needs a signed-in platform admin',
  'Admins.read': 'needs a signed-in platform admin',
  'Admins.change': 'needs a signed-in platform admin',
  'Admins.resetSecondFactor': 'needs a signed-in platform admin',
  'PlatformDevices.list': 'needs a signed-in platform admin',
  'PlatformDevices.signOut': 'needs a signed-in platform admin',
  'PlatformAudit.list': 'needs a signed-in platform admin',
  'Impersonation.list': 'needs a signed-in platform admin',
  'Impersonation.start': 'needs a signed-in platform admin',
  'Impersonation.read': 'needs a signed-in platform admin',
  'Impersonation.token': 'needs a signed-in platform admin',
  'Impersonation.end': 'needs a signed-in platform admin',
  'PlatformAccount.enrol': 'needs a signed-in platform admin or an mfa_token',
  'PlatformAccount.confirm': 'needs a code of an authenticator app',
  'PlatformAccount.recoveryCodes': 'needs a code of an authenticator app',
  'Signup.confirm': 'needs the token of a mail',
  'Signup.state': 'needs the token of a mail',
  'SignupInvites.create': 'needs a signed-in platform admin',
  'SignupInvites.list': 'needs a signed-in platform admin',
  'SignupInvites.revoke': 'needs a signed-in platform admin',
  'Schedule.read': 'needs a signed-in platform admin',
  'Support.list': 'needs a signed-in admin of the tenant',
  'Support.approve': 'needs a signed-in admin of the tenant',
  'Support.refuse': 'needs a signed-in admin of the tenant',
  'Support.end': 'needs a signed-in admin of the tenant',
  'AdminJobs.list': 'needs a signed-in platform admin',
  'AdminJobs.read': 'needs a signed-in platform admin',
  'AdminJobs.retry': 'needs a signed-in platform admin and a dead job',
  'AdminJobs.remove': 'needs a signed-in platform admin and a job',
  'AdminOutbox.list': 'needs a signed-in platform admin',
  'AdminOutbox.retry': 'needs a signed-in platform admin and a dead event',
};

interface Operation {
  id: string;
  title: string;
  /** The documented 2xx statuses, each with a pointer to the schema of its JSON body, if it has one. */
  answers: Map<string, string | undefined>;
}

interface Document {
  paths: Record<
    string,
    Record<string, { operationId: string; responses: Record<string, { content?: Record<string, unknown> }> }>
  >;
  tags: { name: string }[];
}

function operationsOf({ paths }: Document): Operation[] {
  return Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { operationId, responses }]) => ({
      id: operationId,
      title: `${method.toUpperCase()} ${path}`,
      answers: new Map(
        Object.entries(responses)
          .filter(([status]) => /^2\d\d$/.test(status))
          .map(([status, { content }]) => [
            status,
            content?.['application/json']
              ? `#/paths/${encodeURIComponent(path.replaceAll('/', '~1'))}/${method}/responses/${status}/content/application~1json/schema`
              : undefined,
          ]),
      ),
    })),
  );
}

const committed = JSON.parse(readFileSync('docs/generated/openapi.json', 'utf8')) as Document;
const documented = operationsOf(committed);
const executed = documented.filter(({ id }) => !Object.hasOwn(NOT_EXECUTED, id));

// In CI a missing browser is a failure, elsewhere it is not.
const skipped = !findChromium() && !process.env['CI'];
if (skipped) console.warn('Skipped: no Chromium. Install it, or set CHROMIUM, to run the browser tests.');

describe.skipIf(skipped)('Swagger UI in a browser', { timeout: 60_000 }, () => {
  let t: TestApp;
  let browser: Browser;
  let watched: WatchedPage;
  const schemas = formats.default(new Ajv2020({ strict: false })).addSchema(committed, 'openapi');
  const originOf = (tenant?: string): string => `http://${tenant ? `${tenant}.` : ''}localhost:${t.port}`;

  const openDocs = async (origin: string): Promise<void> => {
    await watched?.page.close();
    watched = await openPage(browser);
    await watched.page.goto(`${origin}/docs`);
    await watched.page.locator('.opblock').first().waitFor();
  };

  /** Tries an operation out as it stands, expects the page to show a documented 2xx, and returns what it shows. */
  const tryOut = async ({ id, answers }: Operation): Promise<string> => {
    const block = watched.page.locator(`.opblock[id$="-${id.replace('.', '\\\\.')}"]`);
    const summary = block.locator('.opblock-summary-control');
    await summary.click();
    await block.getByRole('button', { name: 'Try it out' }).click();
    const [answer] = await Promise.all([
      watched.page.waitForResponse((response) => response.request().resourceType() === 'fetch'),
      block.getByRole('button', { name: 'Execute' }).click(),
    ]);
    const shown = block.locator('.live-responses-table tbody tr.response');
    const status = (await shown.locator('.response-col_status').innerText()).trim().split(/\s/)[0] ?? '';
    const text = await shown.innerText();
    expect([...answers.keys()], text).toContain(status);
    const schema = answers.get(status);
    if (schema) {
      const valid = schemas.validate(`openapi${schema}`, await answer.json());
      expect(valid, `not of the documented shape: ${schemas.errorsText()}\n${text}`).toBe(true);
    }
    // Every open block slows the page down.
    await summary.click();
    return text;
  };

  const operation = (id: string): Operation => documented.find((candidate) => candidate.id === id)!;

  const authorize = async (token: string): Promise<void> => {
    await watched.page.locator('.auth-wrapper .authorize').click();
    const dialog = watched.page.locator('.auth-container').filter({ hasText: 'bearer' });
    await dialog.locator('input').fill(token);
    await dialog.getByRole('button', { name: 'Apply credentials' }).click();
    await watched.page.getByRole('button', { name: 'Close' }).first().click();
  };

  beforeAll(async () => {
    browser = await launchBrowser();
    t = await createTestApp(ROOT_ENV);
  });
  afterAll(async () => {
    await browser?.close();
    await t?.close();
  });
  beforeEach(({ task }) => onTestFailed(() => saveScreenshot(watched.page, task.name)));

  it('shows every operation of the document, under tags that are described', async () => {
    const document = (await t.request('GET', '/openapi.json')).json as Document;
    expect(operationsOf(document)).toEqual(documented);
    expect(documented.map(({ id }) => id)).toEqual(expect.arrayContaining(Object.keys(NOT_EXECUTED)));

    await openDocs(originOf());
    expect(await watched.page.locator('.opblock').count()).toBe(documented.length);
    const sections = watched.page.locator('.opblock-tag');
    expect(await sections.count()).toBe(document.tags.length);
    for (const section of await sections.all()) expect(await section.locator('small').innerText()).not.toBe('');
  });

  describe('on the address of the service', () => {
    beforeAll(() => openDocs(originOf()));

    it.each(executed)('executes $title without editing', async (operation) => {
      await tryOut(operation);
    });

    it('complains of nothing and asks nothing of anyone else', () => {
      expect(watched.complaints).toEqual([]);
      expect([...watched.origins]).toEqual([originOf()]);
    });
  });

  it.each(['acme', 'globex'])(
    'signs the owner of %s in, authorizes the page, and calls what needs it',
    async (tenant) => {
      await openDocs(originOf(tenant));
      const shown = await tryOut(operation('SignIn.login'));
      const token = /"access_token": "([\w.-]+)"/.exec(shown)?.[1] ?? '';
      const refused = await t.request('GET', '/api/auth/me', { headers: { 'x-tenant-id': tenant } });
      expect(refused.status).toBe(401);

      await authorize(token);

      expect(await tryOut(operation('SignIn.me'))).toContain('"role": "owner"');
      expect(await tryOut(operation('Audit.list'))).toContain('user.signed-in');
      expect(watched.complaints).toEqual([]);
    },
  );

  it('takes a platform admin through the life of a tenant, without editing', async () => {
    await openDocs(originOf());
    await authorize((await signInAdmin(t)).accessToken);
    expect(await tryOut(operation('Tenants.create'))).toContain('"status": "provisioning"');
    expect(await tryOut(operation('Tenants.list'))).toContain('"slug": "umbrella"');
    expect(await tryOut(operation('Tenants.read'))).toContain('"slug": "acme"');
    expect(await tryOut(operation('Lifecycle.suspend'))).toContain('"status": "suspended"');
    expect(await tryOut(operation('Lifecycle.resume'))).toContain('"status": "active"');
    expect(await tryOut(operation('Lifecycle.archive'))).toContain('"status": "archived"');
    expect(await tryOut(operation('Lifecycle.remove'))).toMatch(/"purge_after": "\d/);
    expect(await tryOut(operation('Lifecycle.restore'))).toContain('"purge_after": null');
    expect(await tryOut(operation('Tenants.change'))).toContain('"slug": "umbrella-group"');
    expect(await tryOut(operation('Plans.list'))).toContain('"name": "enterprise"');
    expect(await tryOut(operation('Plans.change'))).toContain('"trial_days": 14');
    expect(watched.complaints).toEqual([]);
  }, 180_000);

  it.each(['acme', 'globex'])('speaks for %s on its own address', async (tenant) => {
    await openDocs(originOf(tenant));
    // The tenant in the body, in a header with a credential, and in the body with a credential.
    const speaking = documented.filter(({ id }) => ['Session.open', 'Session.current', 'Chat.chat'].includes(id));
    expect(speaking.length).toBe(3);
    for (const operation of speaking) expect(await tryOut(operation)).toContain(`"${tenant}"`);
    expect(watched.complaints).toEqual([]);
    expect([...watched.origins]).toEqual([originOf(tenant)]);
  });
});
