import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { describe, expect, it } from 'vitest';
import { mayReach, networks } from './address.ranges.js';
import { OutboundPolicy, OutboundRefused, PlainRefused } from './outbound.policy.js';

const REFUSED = [
  '0.0.0.0',
  '0.1.2.3',
  '10.0.0.1',
  '100.64.0.1',
  '100.127.255.254',
  '127.0.0.1',
  '127.255.255.254',
  '169.254.169.254',
  '172.16.0.1',
  '172.31.255.255',
  '192.0.0.8',
  '192.0.2.1',
  '192.88.99.1',
  '192.168.1.1',
  '198.18.0.1',
  '198.19.255.255',
  '198.51.100.1',
  '203.0.113.1',
  '224.0.0.1',
  '239.255.255.255',
  '240.0.0.1',
  '255.255.255.255',
  '::',
  '::1',
  '::127.0.0.1',
  '::ffff:127.0.0.1',
  '::ffff:7f00:1',
  '::ffff:10.0.0.1',
  '::ffff:0:127.0.0.1',
  '64:ff9b::10.0.0.1',
  '64:ff9b::8.8.8.8',
  '64:ff9b:1::10.0.0.1',
  '100::1',
  '2001::1',
  '2001:db8::1',
  '2002:7f00:1::',
  '2002:0808:0808::1',
  '3fff::1',
  '4000::1',
  '5f00::1',
  'fc00::1',
  'fd12:3456::1',
  'fe80::1',
  'fe80::1%eth0',
  'fec0::1',
  'ff02::1',
  'nonsense',
  '',
];
const PUBLIC = [
  '1.1.1.1',
  '8.8.8.8',
  '100.63.255.255',
  '172.32.0.1',
  '::ffff:8.8.8.8',
  '2606:4700::1111',
  '2a00:1450::1',
];

describe('Which addresses are reached', () => {
  it.each(REFUSED)('refuses %s', (address) => expect(mayReach(address, [])).toBe(false));
  it.each(PUBLIC)('lets %s through', (address) => expect(mayReach(address, [])).toBe(true));

  it('lets through what the operator allows, and no more', () => {
    const allowed = networks(['10.1.0.0/16', 'fd00::/8']);
    for (const address of ['10.1.2.3', '::ffff:10.1.2.3', 'fd00::1']) expect(mayReach(address, allowed)).toBe(true);
    for (const address of ['10.2.0.1', 'fc00::1', '127.0.0.1']) expect(mayReach(address, allowed)).toBe(false);
  });
});

/** Of one machine, in the spellings that its own resolver understands. */
const SPELLINGS = [
  '127.0.0.1',
  '127.1',
  '2130706433',
  '0x7f000001',
  '0x7f.0.0.1',
  '0177.0.0.1',
  '017700000001',
  'localhost',
  'localhost.',
  'LOCALHOST',
  '[::1]',
  '::1',
  '[::ffff:127.0.0.1]',
  '0',
  '169.254.169.254',
  '[fe80::1]',
  'no-such-host.invalid',
  '',
];

describe('OutboundPolicy', () => {
  const policy = new OutboundPolicy({ outboundAllow: [] });

  it.each(SPELLINGS)('refuses the host "%s"', async (host) => {
    await expect(policy.resolve(host)).rejects.toBeInstanceOf(OutboundRefused);
  });

  it('names the host and no address', async () => {
    const inside = new OutboundPolicy({ outboundAllow: [] }, () =>
      Promise.resolve([{ address: '10.9.8.7', family: 4 }]),
    );
    const error: OutboundRefused = await inside.resolve('wiki.acme.example').catch((caught) => caught);
    expect(error).toMatchObject({ status: 422, code: 'address_refused' });
    expect(error.message).toContain('wiki.acme.example');
    expect(JSON.stringify([error.message, error.remedy])).not.toContain('10.9.8.7');
  });

  it('refuses a host of which one address is refused', async () => {
    const mixed = new OutboundPolicy({ outboundAllow: [] }, () =>
      Promise.resolve([
        { address: '8.8.8.8', family: 4 },
        { address: '::1', family: 6 },
      ]),
    );
    await expect(mixed.resolve('acme.example')).rejects.toBeInstanceOf(OutboundRefused);
  });

  it('connects to an allowed address and no other', async () => {
    const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    try {
      for (const host of ['127.0.0.1', '[::1]', '127.1']) {
        await expect(policy.connect(host, port, 5000)).rejects.toBeInstanceOf(OutboundRefused);
      }
      const allowing = new OutboundPolicy({ outboundAllow: ['127.0.0.0/8'] });
      for (const host of ['127.0.0.1', '127.1']) {
        const socket = await allowing.connect(host, port, 5000);
        allowing.allowPlain(socket, host);
        expect(socket.destroyed).toBe(false);
        expect(() => new OutboundPolicy({ outboundAllow: ['10.0.0.0/8'] }).allowPlain(socket, host)).toThrow(
          PlainRefused,
        );
        expect(socket.destroyed).toBe(true);
      }
    } finally {
      server.close();
    }
  });

  it('reaches an allowed one', async () => {
    const allowing = new OutboundPolicy({ outboundAllow: ['127.0.0.0/8'] });
    expect(await allowing.resolve('127.0.0.1')).toEqual({ address: '127.0.0.1', family: 4 });
  });
});
