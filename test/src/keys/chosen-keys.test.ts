// Which keys `passfob run` is to be, and which of them cannot be together.

import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { chosenKeys } from '../../../src/keys/chosen-keys.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'passfob-keys-'));
  vi.stubEnv('XDG_CONFIG_HOME', folder);
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

function configure(keys: Record<string, object>): void {
  mkdirSync(join(folder, 'passfob'));
  writeFileSync(join(folder, 'passfob', 'config.json'), JSON.stringify({ keys }));
}

const names = (...args: Parameters<typeof chosenKeys>) => chosenKeys(...args).map(({ keyName }) => keyName);

test('without a choice it is the key without a name', () => {
  configure({ work: {} });
  expect(names({})).toEqual([undefined]);
});

test('the named keys, in the order of the flags, or all of them in the order of the file', () => {
  configure({ work: {}, home: {} });
  expect(names({ key: ['home', 'work'] })).toEqual(['home', 'work']);
  expect(names({ allKeys: true })).toEqual(['work', 'home']);
});

test('flags are about every key', () => {
  configure({ work: { consent: 'ask' }, home: {} });
  expect(chosenKeys({ allKeys: true, consent: 'never' })).toMatchObject([{ consent: 'never' }, { consent: 'never' }]);
});

test('all keys of a file that names none are refused', () => {
  expect(() => chosenKeys({ allKeys: true })).toThrow('the configuration file names no keys');
});

test('a key that is named twice is refused', () => {
  configure({ work: {} });
  expect(() => chosenKeys({ key: ['work', 'work'] })).toThrow('the keys "work" and "work" share the vault');
});

test('two keys on one vault are refused, also by way of a link', () => {
  mkdirSync(join(folder, 'vault'));
  symlinkSync(join(folder, 'vault'), join(folder, 'link'));
  configure({ work: { vault: join(folder, 'vault') }, home: { vault: join(folder, 'link') } });
  expect(() => chosenKeys({ allKeys: true })).toThrow('the keys "work" and "home" share the vault');
});

test('two keys with one serial number are refused', () => {
  configure({ work: { serialNumber: 'S-1' }, home: { serialNumber: 'S-1' } });
  expect(() => chosenKeys({ allKeys: true })).toThrow('the keys "work" and "home" share the serial number');
});
