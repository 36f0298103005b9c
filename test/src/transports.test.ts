import { describe, expect, it } from 'vitest';
import { createTransports } from '../../src/transports.ts';

const create = (words: string[], options = {}) => createTransports(words, '/vault', options).map(({ name }) => name);

describe('a USB/IP server', () => {
  it('listens on this machine alone, if nothing else is said', () => {
    expect(create(['usbip'])).toEqual(['usbip:127.0.0.1:3240']);
  });

  it.each(['0.0.0.0', '192.168.1.2', '[::]', '[fe80::1]'])(
    'listens on %s only if other machines are allowed',
    (host) => {
      const word = `usbip:${host}:3240`;
      expect(() => create([word])).toThrow('whoever reaches a USB/IP port can use the key');
      expect(create([word], { allowRemote: true })).toEqual([word]);
    },
  );
});

it.each([
  [{ attach: true }, '--attach is for USB/IP'],
  [{ allowRemote: true }, '--allow-remote is for USB/IP'],
])('refuses %j where no transport is USB/IP', (options, message) => {
  expect(() => create(['tcp:127.0.0.1:0'], options)).toThrow(message);
  expect(create(['tcp:127.0.0.1:0', 'usbip'], options)).toHaveLength(2);
});

it('takes each transport once', () => {
  expect(create(['usbip', 'tcp:127.0.0.1:1', 'usbip'])).toEqual(['usbip:127.0.0.1:3240', 'tcp:127.0.0.1:1']);
});
