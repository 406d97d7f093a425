import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KeyRing, newId } from '../common/index.js';
import { CredentialCodec } from './tenant.credential.js';

const codec = new CredentialCodec(new KeyRing('a-master-key-for-tests-of-32-characters'));

describe('credentials', () => {
  it('carry their tenant', () => {
    const acme = newId();
    expect(codec.tenantOf('session', codec.mint('session', acme))).toBe(acme);
  });

  it('are worthless with any character changed, added or removed', () => {
    const credential = codec.mint('session', newId());
    fc.assert(
      fc.property(fc.nat(credential.length - 1), fc.constantFrom(...'AZaz09-_='), (at, character) => {
        const changed = credential.slice(0, at) + character + credential.slice(at + 1);
        return changed === credential || codec.tenantOf('session', changed) === undefined;
      }),
    );
    expect(codec.tenantOf('session', `${credential}A`)).toBeUndefined();
    expect(codec.tenantOf('session', credential.slice(1))).toBeUndefined();
  });

  it('of another installation are worthless', () => {
    const other = new CredentialCodec(new KeyRing('another-master-key-of-at-least-32-chars'));
    expect(codec.tenantOf('session', other.mint('session', newId()))).toBeUndefined();
  });

  it('seal cursors to their tenant and owner', () => {
    const [acme, globex, session, position] = [newId(), newId(), newId(), newId()];
    const cursor = codec.sealCursor(acme, session, position);
    expect(codec.openCursor(acme, session, cursor)).toBe(position);
    expect(codec.openCursor(globex, session, cursor)).toBeUndefined();
    expect(codec.openCursor(acme, newId(), cursor)).toBeUndefined();
    expect(codec.openCursor(acme, session, 'garbage')).toBeUndefined();
  });
});
