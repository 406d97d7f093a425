import { MaxLength } from 'class-validator';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SecretVault, TenantKeys } from '../../src/secrets/index.js';
import { addressOf, copiedSettings, declareSecret, declareSetting, withoutSecrets } from '../../src/settings/index.js';
import { PLATFORM_DATA_SOURCE, type Tenant, TenantContextMissing, TenantRunner } from '../../src/tenancy/index.js';
import { TenantErasure } from '../../src/tenant/index.js';
import { createTestApp, type TestApp } from '../kit/test-app.js';

const declaration = { description: 'A key.', rules: [MaxLength(100)], allowed: 'a text', changedBy: 'owner' as const };
const API_KEY = declareSecret({ ...declaration, key: 'spec.api_key', byPlan: true });
const OTHER_KEY = declareSecret({ ...declaration, key: 'spec.other_key' });
const SERVER = declareSetting<string>({
  key: 'spec.server',
  description: 'Where a key is sent.',
  type: 'string',
  allowed: 'a text',
  default: '',
  changedBy: 'owner',
});
const SENT_KEY = declareSecret({ ...declaration, key: 'spec.sent_key', sentTo: [SERVER] });
const TEXT = 'correct horse battery staple';

let t: TestApp;
let vault: SecretVault;
let acme: Tenant;
let globex: Tenant;
beforeAll(async () => {
  t = await createTestApp();
  vault = t.app.get(SecretVault);
  acme = await t.tenant('acme');
  globex = await t.tenant('globex');
});
afterAll(() => t.close());

const keysOf = (id: string) => t.database.admin('SELECT wrapped FROM platform.tenant_keys WHERE owner = $1', [id]);
const openAs = (tenant: Tenant, settings: Record<string, unknown>, inherited?: Tenant['inherited']) =>
  t.app.get(TenantRunner).run({ ...tenant, settings, inherited }, () => vault.open(API_KEY));

describe('a secret setting', () => {
  it('opens for its tenant, and nothing of it is in what is stored', async () => {
    const sealed = await vault.seal(acme.id, API_KEY, TEXT);
    expect(API_KEY.accepts(sealed)).toBe(true);
    expect(Buffer.from(sealed.sealed, 'base64url').toString('latin1')).not.toContain('horse');
    expect(await openAs(acme, { [API_KEY.key]: sealed })).toBe(TEXT);
    expect(await openAs(acme, {})).toBeUndefined();
  });

  it('is noise to globex, under another setting, and when a bit of it was changed', async () => {
    const sealed = await vault.seal(acme.id, API_KEY, TEXT);
    await expect(openAs(globex, { [API_KEY.key]: sealed })).rejects.toMatchObject({ code: 'secret_unreadable' });
    const elsewhere = await vault.seal(acme.id, OTHER_KEY, TEXT);
    await expect(openAs(acme, { [API_KEY.key]: elsewhere })).rejects.toMatchObject({ code: 'secret_unreadable' });
    const bytes = Buffer.from(sealed.sealed, 'base64url');
    bytes[bytes.length - 1]! ^= 1;
    const changed = { sealed: bytes.toString('base64url') };
    await expect(openAs(acme, { [API_KEY.key]: changed })).rejects.toMatchObject({ code: 'secret_unreadable' });
  });

  it('of a plan opens for all its tenants', async () => {
    const plan = { [API_KEY.key]: await vault.seal(undefined, API_KEY, TEXT) };
    for (const tenant of [acme, globex]) expect(await openAs(tenant, {}, { plan, platform: {} })).toBe(TEXT);
  });

  it('opens for nobody outside a tenant', async () => {
    await expect(vault.open(API_KEY)).rejects.toThrow(TenantContextMissing);
  });

  it('is in no copy and no archive', () => {
    const settings = { [API_KEY.key]: { sealed: 'AAAA' }, welcome: 'Hi' };
    expect(copiedSettings(settings)).toEqual({ welcome: 'Hi' });
    expect(withoutSecrets(settings)).toEqual({ welcome: 'Hi' });
  });
});

describe('a secret that is sent somewhere', () => {
  const open = (settings: Record<string, unknown>, platform: Record<string, unknown> = {}) =>
    t.app.get(TenantRunner).run({ ...acme, settings, inherited: { plan: {}, platform } }, () => vault.open(SENT_KEY));
  const enteredFor = async (server: string) => {
    const address = addressOf({ settings: { [SERVER.key]: server }, inherited: undefined }, SENT_KEY);
    return { [SENT_KEY.key]: await vault.seal(acme.id, SENT_KEY, TEXT, undefined, address) };
  };

  it('opens for the address that it was entered for, whoever names that, and for no other', async () => {
    const secret = await enteredFor('a.example');
    expect(await open({ ...secret, [SERVER.key]: 'a.example' })).toBe(TEXT);
    expect(await open(secret, { [SERVER.key]: 'a.example' })).toBe(TEXT);
    for (const other of [{ [SERVER.key]: 'b.example' }, {}]) {
      await expect(open({ ...secret, ...other })).rejects.toMatchObject({ code: 'secret_needed' });
    }
  });

  it('is noise when the address beside it was changed, and opens nowhere without one', async () => {
    const [a, b] = [await enteredFor('a.example'), await enteredFor('b.example')];
    const { sealed } = a[SENT_KEY.key]!;
    const there = { [SERVER.key]: 'b.example' };
    const moved = open({ ...there, [SENT_KEY.key]: { sealed, for: b[SENT_KEY.key]!.for } });
    await expect(moved).rejects.toMatchObject({ code: 'secret_unreadable' });
    await expect(open({ ...there, [SENT_KEY.key]: { sealed } })).rejects.toMatchObject({ code: 'secret_needed' });
  });

  it("and is the operator's does not open for an address that the tenant set", async () => {
    const platform = { [SENT_KEY.key]: await vault.seal(undefined, SENT_KEY, TEXT), [SERVER.key]: 'a.example' };
    expect(await open({}, platform)).toBe(TEXT);
    expect(await open({ [SERVER.key]: 'b.example' }, platform)).toBeUndefined();
  });
});

describe("a tenant's key", () => {
  const keys = () => t.app.get(TenantKeys);

  it('is made once, also when twenty need it at the same time', async () => {
    await t.import([{ slug: 'busy' }]);
    const { id } = await t.tenant('busy');
    const made = await Promise.all(Array.from({ length: 20 }, () => keys().findOrCreate(id)));
    expect(new Set(made.map((key) => key.toString('hex'))).size).toBe(1);
    expect(await keysOf(id)).toHaveLength(1);
  });

  it('is not known after the transaction that made it was rolled back', async () => {
    await t.import([{ slug: 'undone' }]);
    const { id } = await t.tenant('undone');
    const failed = t.app.get(PLATFORM_DATA_SOURCE).transaction(async (manager: never) => {
      await keys().findOrCreate(id, manager);
      throw new Error('undo');
    });
    await expect(failed).rejects.toThrow('undo');
    expect(await keys().find(id)).toBeUndefined();
  });

  it('is destroyed with the tenant, and what it sealed is noise then', async () => {
    await t.import([{ slug: 'gone' }]);
    const gone = await t.tenant('gone');
    const settings = { [API_KEY.key]: await vault.seal(gone.id, API_KEY, TEXT) };
    expect(await openAs(gone, settings)).toBe(TEXT);
    await t.app.get(TenantErasure).erase(gone.id);
    expect(await keysOf(gone.id)).toEqual([]);
    await expect(openAs(gone, settings)).rejects.toMatchObject({ code: 'secret_unreadable' });
  });

  it('that another root key has wrapped is told apart from one that was changed', async () => {
    await t.import([{ slug: 'rekeyed' }]);
    const { id } = await t.tenant('rekeyed');
    await t.database.admin(
      `INSERT INTO platform.tenant_keys (owner, root_key_id, wrapped) VALUES ($1, 'another', '\\x00')`,
      [id],
    );
    await expect(keys().find(id)).rejects.toMatchObject({ code: 'secret_unreadable' });
  });
});
