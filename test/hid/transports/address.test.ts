import { expect, it } from 'vitest';
import { formatTransport, isLoopback, parseTransport, type TransportAddress } from '../../../hid/transports/address.ts';

it.each<[string, TransportAddress]>([
  ['uhid', { kind: 'uhid' }],
  ['socket:/run/user/1000/key.sock', { kind: 'unix', path: '/run/user/1000/key.sock' }],
  ['socket:a:b', { kind: 'unix', path: 'a:b' }],
  ['tcp:127.0.0.1:7000', { kind: 'tcp', host: '127.0.0.1', port: 7000 }],
  ['tcp:[::1]:0', { kind: 'tcp', host: '::1', port: 0 }],
  ['gadget', { kind: 'gadget' }],
  ['gadget:3f980000.usb', { kind: 'gadget', controller: '3f980000.usb' }],
  ['usbip:127.0.0.1:3240', { kind: 'usbip', host: '127.0.0.1', port: 3240 }],
  ['usbip:[::]:0', { kind: 'usbip', host: '::', port: 0 }],
])('reads %s, and writes it the same', (text, address) => {
  expect(parseTransport(text)).toEqual(address);
  expect(formatTransport(address)).toBe(text);
});

it('takes localhost for 127.0.0.1, without looking it up', () => {
  expect(parseTransport('tcp:localhost:1')).toEqual({ kind: 'tcp', host: '127.0.0.1', port: 1 });
});

it('takes usbip alone for the registered port on this machine', () => {
  expect(parseTransport('usbip')).toEqual({ kind: 'usbip', host: '127.0.0.1', port: 3240 });
});

it.each(['', 'usb', 'socket:', 'tcp:', 'UHID', 'uhid:1'])('refuses "%s"', (text) => {
  expect(() => parseTransport(text)).toThrow(
    new RangeError(`expected uhid, gadget[:UDC], usbip[:HOST:PORT], socket:PATH or tcp:HOST:PORT, got "${text}"`),
  );
});

it.each(['tcp:127.0.0.1', 'tcp:127.0.0.1:65536', 'tcp:::1:7', 'tcp:[::1]', 'tcp:127.0.0.1:x'])(
  'refuses "%s" for its port or its form',
  (text) => {
    expect(() => parseTransport(text)).toThrow(/^expected tcp:HOST:PORT with a port of 0 to 65535/);
  },
);

it.each(['0.0.0.0', '192.168.1.2', '[::]', 'example.org', '127.example.org', '[::ffff:10.0.0.1]'])(
  'refuses the host %s, which is not this machine alone',
  (host) => {
    expect(() => parseTransport(`tcp:${host}:7000`)).toThrow(/^expected a loopback address/);
  },
);

it('refuses a USB/IP host that is a name, and a port that is none', () => {
  expect(() => parseTransport('usbip:example.org:3240')).toThrow(/^expected an address like 127.0.0.1 or \[::1\]/);
  expect(() => parseTransport('usbip:127.0.0.1')).toThrow(/^expected usbip:HOST:PORT with a port/);
});

it.each(['gadget:..', 'gadget:a/b', 'gadget:../udc'])('refuses "%s", which leads out of the controllers', (text) => {
  expect(() => parseTransport(text)).toThrow(/^expected gadget:UDC with a name/);
});

it('knows the loopback addresses', () => {
  expect(['127.0.0.1', '127.1.2.3', '::1'].every(isLoopback)).toBe(true);
  expect(['128.0.0.1', '127.1', '::', ''].some(isLoopback)).toBe(false);
});
