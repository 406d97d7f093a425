import { isIP } from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DomainPolicy } from './domain-name.js';

const policy = new DomainPolicy({ baseDomain: 'tenantry.app', publicUrl: 'https://api.tenantry-saas.com:8443/x' });
const read = (text: string) => policy.read(text);

const label = fc.stringMatching(/^[a-z]([a-z0-9-]{0,20}[a-z0-9])?$/).filter((text) => !/^..--/.test(text));
const domain = fc
  .tuple(fc.array(label, { minLength: 1, maxLength: 4 }), fc.constantFrom('com', 'de', 'co.uk', 'dev'))
  .map(([labels, suffix]) => [...labels, suffix].join('.'))
  .filter((name) => read(name).domain !== undefined);

describe("a domain of a tenant's own", () => {
  it.each([
    ['Chat.ACME-corp.com', 'chat.acme-corp.com'],
    ['chat.acme-corp.com.', 'chat.acme-corp.com'],
    ['chat.acme-corp.com:8443', 'chat.acme-corp.com'],
    ['chat.acme-corp.com.:443', 'chat.acme-corp.com'],
    ['bücher.de', 'xn--bcher-kva.de'],
    ['BÜCHER.DE', 'xn--bcher-kva.de'],
    ['faß.de', 'xn--fa-hia.de'],
    ['ｃｈａｔ.acme.com', 'chat.acme.com'],
    ['chat。acme．com', 'chat.acme.com'],
    ['acme.github.io', 'acme.github.io'],
    ['例え.テスト.jp', 'xn--r8jz45g.xn--zckzah.jp'],
  ])('%s is written %s', (text, written) => {
    expect(read(text)).toEqual({ domain: written });
  });

  it.each([
    ['', 'malformed'],
    ['.', 'malformed'],
    ['a..com', 'malformed'],
    ['.acme.com', 'malformed'],
    ['https://acme.com', 'malformed'],
    ['acme.com/path', 'malformed'],
    ['me@acme.com', 'malformed'],
    ['acme%2ecom', 'malformed'],
    ['ac me.com', 'malformed'],
    ['acme.com\u0000', 'malformed'],
    ['a_b.com', 'malformed'],
    ['-a.com', 'malformed'],
    ['acme.com:99999999', 'malformed'],
    ['*.acme.com', 'wildcard'],
    [`${'a'.repeat(64)}.com`, 'too_long'],
    [`${'a.'.repeat(130)}com`, 'too_long'],
    ['x'.repeat(10_000), 'too_long'],
    ['127.0.0.1', 'is_address'],
    ['127.0.0.1:80', 'is_address'],
    ['127.1', 'is_address'],
    ['2130706433', 'is_address'],
    ['0x7f000001', 'is_address'],
    ['0x7f.1', 'is_address'],
    ['0177.0.0.1.', 'is_address'],
    ['１２７.0.0.1', 'is_address'],
    ['::1', 'is_address'],
    ['[::1]:443', 'is_address'],
    ['::ffff:10.0.0.1', 'is_address'],
    ['localhost', 'single_label'],
    ['acme', 'single_label'],
    ['com', 'single_label'],
    ['co.uk', 'is_public_suffix'],
    ['github.io', 'is_public_suffix'],
    ['s3.amazonaws.com', 'is_public_suffix'],
    ['acme.local', 'unknown_suffix'],
    ['tenantry.default.svc.cluster.local', 'unknown_suffix'],
    ['host.docker.internal', 'unknown_suffix'],
    ['acme.example', 'unknown_suffix'],
    ['1.0.0.127.in-addr.arpa', 'unknown_suffix'],
    ['tenantry.app', 'reserved'],
    ['Acme.Tenantry.App.', 'reserved'],
    ['a.b.tenantry.app', 'reserved'],
    ['api.tenantry-saas.com', 'reserved'],
  ])('is not %s: %s', (text, problem) => {
    expect(read(text)).toEqual({ problem });
  });

  it('never fails, and is always a name of letters, digits and hyphens that no server takes for an address', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary', maxLength: 300 }), fc.webAuthority(), fc.domain()), (text) => {
        const { domain: name } = read(text);
        if (name === undefined) return;
        expect(name).toMatch(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)+$/);
        expect(name.length).toBeLessThanOrEqual(243);
        expect(isIP(name)).toBe(0);
        expect(policy.isOwn(name)).toBe(false);
        expect(new URL(`https://${name}`).hostname).toBe(name);
      }),
      { numRuns: 2000 },
    );
  });

  it('is written in one way only, whatever case, port and trailing dot', () => {
    fc.assert(
      fc.property(
        domain,
        fc.boolean(),
        fc.boolean(),
        fc.option(fc.integer({ min: 0, max: 65_535 })),
        (name, up, dot, port) => {
          const text = (up ? name.toUpperCase() : name) + (dot ? '.' : '') + (port === null ? '' : `:${port}`);
          expect(read(text)).toEqual({ domain: name });
        },
      ),
    );
  });

  it('is never an address, however it is spelt', () => {
    const part = (value: number) =>
      fc.constantFrom(String(value), `0x${value.toString(16)}`, value === 0 ? '0' : `0${value.toString(8)}`);
    const spelt = fc.integer({ min: 0, max: 0xffffffff }).chain((value) =>
      fc.oneof(
        part(value),
        fc.tuple(part(value >>> 24), part(value & 0xffffff)).map((parts) => parts.join('.')),
        fc
          .tuple(part(value >>> 24), part((value >>> 16) & 255), part((value >>> 8) & 255), part(value & 255))
          .map((parts) => parts.join('.')),
      ),
    );
    fc.assert(
      fc.property(
        fc.oneof(
          spelt,
          fc.ipV4(),
          fc.ipV6(),
          fc.ipV6().map((text) => `[${text}]`),
        ),
        (text) => {
          expect(read(text)).toEqual({ problem: 'is_address' });
        },
      ),
    );
  });

  it('is never one of our own', () => {
    fc.assert(
      fc.property(fc.array(label, { maxLength: 4 }), (labels) => {
        expect(read([...labels, 'tenantry.app'].join('.'))).toEqual({ problem: 'reserved' });
      }),
    );
  });
});
