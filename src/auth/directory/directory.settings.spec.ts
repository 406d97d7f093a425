import { describe, expect, it } from 'vitest';
import { DIRECTORY_CA, DIRECTORY_URL, DIRECTORY_USER_FILTER, userFilter } from './directory.settings.js';

describe('the filter that finds a person', () => {
  it.each([
    ['ann@acme.example', '(mail=ann@acme.example)'],
    ['zoë@acme.example', '(mail=zoë@acme.example)'],
    ['a*', '(mail=a\\2a)'],
    ['x)(|(cn=*', '(mail=x\\29\\28|\\28cn=\\2a)'],
    ['back\\slash\0', '(mail=back\\5cslash\\00)'],
    ["$&$'{email}", "(mail=$&$'{email})"],
  ])('holds the address %s as nothing but a value', (email, filter) => {
    expect(userFilter('(mail={email})', email)).toBe(filter);
  });

  it.each(['(mail={email})', '(&(objectClass=person)(|(mail={email})(uid={email})))'])('may be %s', (filter) => {
    expect(DIRECTORY_USER_FILTER.accepts(filter)).toBe(true);
  });

  it.each(['', 'mail={email}', '(mail=x)', '({email})', '(mail={email}', '(mail={email}))', '(a={email})(b=c)', 7])(
    'may not be %s',
    (filter) => {
      expect(DIRECTORY_USER_FILTER.accepts(filter)).toBe(false);
    },
  );
});

describe('the address of a directory', () => {
  it.each(['', 'ldap://directory.acme.example', 'ldaps://directory.acme.example:3269/', 'ldaps://[2606:4700::1]'])(
    'may be "%s"',
    (url) => {
      expect(DIRECTORY_URL.accepts(url)).toBe(true);
    },
  );

  it.each([
    'http://acme.example',
    'ldap:///',
    'ldapi://%2fvar%2frun',
    'ldap://a:b@acme.example',
    'ldap://acme.example/x',
  ])('may not be "%s"', (url) => {
    expect(DIRECTORY_URL.accepts(url)).toBe(false);
  });
});

describe('the certificates by which a directory is trusted', () => {
  const one = '-----BEGIN CERTIFICATE-----\nQUJD\n-----END CERTIFICATE-----';

  it('may be none, one or several', () => {
    for (const text of ['', one, `\n${one}\n\n${one}\n`]) expect(DIRECTORY_CA.accepts(text)).toBe(true);
  });

  it('are no other text, and to find that out takes no time', () => {
    const many = Array.from({ length: 40 }, () => one).join('\n\n');
    for (const text of ['x', `${one}x`, `${many}!`]) expect(DIRECTORY_CA.accepts(text)).toBe(false);
  });
});
