import { describe, expect, it } from 'vitest';
import { KeyRing, newId } from '../common/index.js';
import type { PreparedDatabase } from '../database/index.js';
import { envelopeOf, idOfKey, JobEnvelopes } from './job.envelope.js';
import { JobFailure } from './job.errors.js';

const envelopes = new JobEnvelopes({ keys: new KeyRing('a-master-key-of-32-characters-xx') } as PreparedDatabase);
const [acme, globex, id] = [newId(), newId(), newId()];

describe('an envelope', () => {
  it('opens for its own tenant, name and id, and for no other', () => {
    const envelope = envelopes.wrap(acme, 'report.build', id, id, { text: 'secret' });
    expect(JSON.stringify(envelope)).not.toContain('secret');
    expect(envelopes.open(acme, 'report.build', id, envelope)).toEqual({ text: 'secret' });
    for (const [tenant, name, other] of [
      [globex, 'report.build', id],
      [undefined, 'report.build', id],
      [acme, 'report.send', id],
      [acme, 'report.build', newId()],
    ] as const) {
      expect(() => envelopes.open(tenant, name, other, envelope)).toThrow(JobFailure);
    }
  });

  it('is told from everything else', () => {
    for (const data of [null, undefined, 'x', {}, { sealed: 1 }, { sealed: 'x', tenant_id: 'acme' }]) {
      expect(envelopeOf(data)).toBeUndefined();
    }
  });
});

describe('the id of a key', () => {
  it('is a UUID of version 8, the same for the same tenant, name and key only', () => {
    const first = idOfKey(acme, 'report.build', 'may');
    expect(first).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(idOfKey(acme, 'report.build', 'may')).toBe(first);
    const others = [idOfKey(globex, 'report.build', 'may'), idOfKey(acme, 'report.buildm', 'ay')];
    expect(new Set([first, ...others]).size).toBe(3);
  });
});
