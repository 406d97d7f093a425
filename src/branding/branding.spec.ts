import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { presentSettings } from '../settings/index.js';
import { brandPage } from './brand.page.js';
import { type Branding, brandingOf, contrast, mailtoOf, platformBranding } from './branding.js';
import {
  BRANDING_ACCENT_COLOR,
  BRANDING_PRIMARY_COLOR,
  BRANDING_SUPPORT_ADDRESS,
  BRANDING_SUPPORT_URL,
} from './branding.settings.js';
import { sizeOf } from './image.js';

const branding = (settings: Record<string, unknown>, name = 'Acme Corp'): Branding =>
  brandingOf({ name, settings, inherited: undefined });

describe('the branding of acme', () => {
  it('is its name and the colours of the platform where it sets nothing', () => {
    expect(branding({})).toEqual(platformBranding('Acme Corp'));
  });

  it('is what an archive of an earlier release calls mail.brand, unless it has both', () => {
    expect(presentSettings({ 'mail.brand': 'Labs', welcome: 'x' })).toEqual({ 'branding.name': 'Labs', welcome: 'x' });
    expect(presentSettings({ 'mail.brand': 'Old', 'branding.name': 'New' })).toEqual({ 'branding.name': 'New' });
  });

  it('takes a name in one line, without what turns text around', () => {
    expect(branding({ 'branding.name': 'A\r\nBcc: x@y.example\u202egpj' }).name).toBe('A Bcc: x@y.example gpj');
    expect(branding({ 'branding.name': '\u202e \r\n' }).name).toBe('Acme Corp');
  });

  it('reads on every colour', () => {
    const colour = fc.integer({ min: 0, max: 0xffffff }).map((it) => `#${it.toString(16).padStart(6, '0')}`);
    fc.assert(
      fc.property(colour, (primary) => {
        const { primaryColor, onPrimaryColor, linkColor } = branding({ 'branding.primary_color': primary });
        expect(primaryColor).toBe(primary);
        expect(contrast(primaryColor, onPrimaryColor)).toBeGreaterThanOrEqual(4.5);
        expect(contrast(linkColor, '#ffffff')).toBeGreaterThanOrEqual(4.5);
      }),
    );
    expect(contrast('#000000', '#ffffff')).toBeCloseTo(21);
    expect(contrast('#767676', '#ffffff')).toBeCloseTo(4.54, 2);
  });

  it.each([
    [BRANDING_PRIMARY_COLOR, ['#12abEF'], ['red', '#fff', '#12abeg', '#12abef;}', 'url(x)', '#12abef\n', 7, '']],
    [BRANDING_ACCENT_COLOR, ['#000000'], ['#00000', 'expression(1)']],
    [
      BRANDING_SUPPORT_ADDRESS,
      ['help@acme.example', ''],
      ['a@b.example,c@d.example', 'x', 'a@b.example\r\nBcc: c@d.example'],
    ],
    [
      BRANDING_SUPPORT_URL,
      ['https://help.acme.example/a?b=c#d', ''],
      [
        'http://x.example',
        'javascript:alert(1)',
        'https://u:p@x.example',
        'https://x.example/ "',
        'data:text/html,x',
        5,
      ],
    ],
  ])('takes for %s only what is one', (setting, right, wrong) => {
    for (const value of right) expect([value, setting.accepts(value)]).toEqual([value, true]);
    for (const value of wrong) expect([value, setting.accepts(value)]).toEqual([value, false]);
  });

  it('makes an address a link to that address alone', () => {
    expect(mailtoOf('a?bcc=b&c@acme.example')).toBe('mailto:a%3Fbcc%3Db%26c@acme.example');
  });
});

describe('a page', () => {
  it('holds hostile names, texts and addresses as text', () => {
    const hostile = `<script>alert(1)</script>"'><img src=x onerror=alert(1)>{{ name }}`;
    const page = brandPage({ ...branding({}), name: hostile, supportUrl: `https://x.example/"onclick="x` }, [hostile], {
      url: '/"><b>',
      width: 1,
      height: 1,
    });
    expect(page).not.toMatch(/<script|<img src=x|<b>|"onclick/);
    expect(page).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&#34;&#39;&gt;');
    expect(page).toContain('{{ name }}');
  });
});

describe('the size of a picture', () => {
  const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
  it.each([
    ['image/png', '89504e470d0a1a0a 0000000d 49484452 00000140 000000f0', 320, 240],
    ['image/gif', '474946383961 4001 f000', 320, 240],
    ['image/jpeg', 'ffd8 ffe0 0004 0000 ff ffc2 0011 08 00f0 0140', 320, 240],
    ['image/webp', '52494646 00000000 57454250 56503820 00000000 000000 9d012a 4001 f000', 320, 240],
    ['image/webp', '52494646 00000000 57454250 5650384c 00000000 2f 3fc13b00', 320, 240],
    ['image/webp', '52494646 00000000 57454250 56503858 0a000000 00000000 3f0100 ef0000', 320, 240],
  ])('of %s is read from its head', (type, head, width, height) => {
    expect(sizeOf(type, hex(head))).toEqual({ width, height });
    for (let end = 0; end < hex(head).length; end += 1) sizeOf(type, hex(head).subarray(0, end));
  });

  it('is unknown of what breaks off, says nothing, or goes in circles', () => {
    expect(sizeOf('image/png', hex('89504e470d0a1a0a'))).toBeUndefined();
    expect(sizeOf('image/jpeg', hex('ffd8 ffda 0000'))).toBeUndefined();
    expect(sizeOf('image/jpeg', Buffer.alloc(1000, 0xff))).toBeUndefined();
    expect(sizeOf('image/gif', hex('474946383961 0000 f000'))).toBeUndefined();
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.constantFrom('png', 'jpeg', 'gif', 'webp'), (bytes, kind) => {
        sizeOf(`image/${kind}`, Buffer.from([0xff, 0xd8, ...bytes]));
      }),
    );
  });
});
