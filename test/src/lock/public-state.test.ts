// The file that tells what getInfo shows of a locked key: private to its user, whole or void, and only believed if it
// makes sense.

import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { factoryDeviceState, publicPart } from '../../../ctap/device-state.ts';
import { keepPublicState, readPublicState } from '../../../src/lock/public-state.ts';
import { seededRandom } from '../../support/fake-environment.ts';

let directory: string;
let file: string;
const device = factoryDeviceState(seededRandom('state'));
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'passfob-state-'));
  file = join(directory, 'public-state.json');
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

test('what is kept is read again, and nothing secret is in it', () => {
  const pin = { salt: new Uint8Array(16), verifier: new Uint8Array(32), codePointLength: 4 };
  keepPublicState({ directory, device: { ...device, pin, minPINLength: 6 } });
  expect(readPublicState(directory)).toEqual({ ...publicPart(device), hasPin: true, minPINLength: 6 });
  expect(Object.keys(JSON.parse(readFileSync(file, 'utf8'))).sort()).toEqual(Object.keys(publicPart(device)).sort());
});

test('only its user may read it', () => {
  keepPublicState({ directory, device });
  expect(statSync(file).mode & 0o777).toBe(0o600);
  expect(readdirSync(directory)).toEqual(['public-state.json']);
});

test('it is not written again as long as it is true', () => {
  keepPublicState({ directory, device });
  const { ino } = statSync(file);
  keepPublicState({ directory, device: { ...device, pinRetries: 3 } });
  expect(statSync(file).ino).toBe(ino);
  keepPublicState({ directory, device: { ...device, alwaysUv: true } });
  expect(readPublicState(directory)?.alwaysUv).toBe(true);
});

test('where it cannot be written nothing is known, and nothing fails', () => {
  keepPublicState({ directory: join(directory, 'gone'), device });
  expect(readPublicState(join(directory, 'gone'))).toBeUndefined();
});

const good = publicPart(device);
test.each([
  ['is empty', ''],
  ['is no JSON', '{'],
  ['is no object', '[]'],
  ['is null', 'null'],
  ['lacks a member', JSON.stringify({ ...good, hasPin: undefined })],
  ['has a member of another kind', JSON.stringify({ ...good, alwaysUv: 'yes' })],
  ['has a length that no PIN can have', JSON.stringify({ ...good, minPINLength: 64 })],
  ['has a length that is no number', JSON.stringify({ ...good, minPINLength: 'NaN' })],
])('a file that %s says nothing', (_, text) => {
  writeFileSync(file, text);
  expect(readPublicState(directory)).toBeUndefined();
});

test('members that nobody knows are left behind', () => {
  writeFileSync(file, JSON.stringify({ ...good, credentialIdKey: 'x' }));
  expect(readPublicState(directory)).toEqual(good);
});
