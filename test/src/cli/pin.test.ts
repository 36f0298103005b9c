// passfob pin and passfob config, on a vault that nobody serves and through the daemon that serves it.

import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { connectSocket } from '../../../hid/host/connect-socket.ts';
import { CtapHidClient } from '../../../hid/host/ctaphid-client.ts';
import { ControlClient } from '../../../src/control/client.ts';
import { CtapClient } from '../../../src/platform/ctap-client.ts';
import { PinClient } from '../../../src/platform/pin-client.ts';
import { Home } from '../../support/program.ts';

// Each test runs a dozen processes.
vi.setConfig({ testTimeout: 120_000 });

let home: Home;
beforeEach(async () => {
  home = new Home();
  await home.makeVault();
});
afterEach(() => home.remove());

/** A file with this PIN that only its owner can read. */
function file(pin: string): string {
  const path = join(home.directory, `pin-${Buffer.from(pin).toString('hex')}`);
  writeFileSync(path, `${pin}\n`, { mode: 0o600 });
  return path;
}

const pin = (verb: string, ...args: string[]) => home.run('pin', verb, ...args);
const config = (...args: string[]) => home.run('config', ...args, '--pin-file', file('1234'));

describe.each(['without', 'with'])('%s a daemon', (how) => {
  beforeEach(async () => {
    if (how === 'with') await home.start('--consent', 'never');
  });

  test('a PIN is set once, verified and changed', async () => {
    const unset = { set: false, retries: null, powerCycleNeeded: false, minLength: 4, forceChange: false };
    expect(await home.json('pin', 'status')).toEqual(unset);
    expect(await pin('verify', '--pin-file', file('1234'))).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('the key has no PIN yet'),
    });
    const outcome = await pin('set', '--new-pin-file', file('1234'));
    expect(outcome).toEqual({ code: 0, stdout: 'the PIN is set\n', stderr: '' });
    expect(await pin('set', '--new-pin-file', file('1234'))).toMatchObject({
      code: 1,
      stderr: 'error: the key has a PIN already\nhint: see `passfob pin change`\n',
    });
    expect(await home.json('pin', 'status')).toEqual({ ...unset, set: true, retries: 8 });
    expect(await pin('verify')).toMatchObject({ code: 2, stderr: expect.stringContaining('give --pin-file FILE') });
    expect(await pin('verify', '--pin-file', file('wrong'))).toMatchObject({
      code: 8,
      stderr: 'error: wrong PIN: 7 tries left\n',
    });
    expect(await pin('change', '--pin-file', file('1234'), '--new-pin-file', file('äöüß'))).toMatchObject({ code: 0 });
    expect(await pin('verify', '--pin-file', file('äöüß'))).toMatchObject({ code: 0, stdout: 'the PIN is right\n' });
  });

  test('the key is configured with its PIN', async () => {
    await pin('set', '--new-pin-file', file('1234'));
    expect(await config('always-uv', 'on')).toMatchObject({ code: 0, stderr: '' });
    expect(await config('always-uv', 'on')).toMatchObject({ code: 0 });
    expect(await config('long-touch-reset')).toMatchObject({ code: 0 });
    expect(await config('pin-complexity')).toMatchObject({ code: 0, stdout: 'simple PINs are refused\n' });
    expect(await config('min-pin-length', '6', '--rp', 'example.com', '--rp', 'example.org')).toMatchObject({
      code: 0,
      stdout: expect.stringContaining('the PIN must be changed'),
    });
    expect(await home.json('config', 'show')).toEqual({
      alwaysUv: true,
      minPinLength: 6,
      forcePinChange: true,
      pinComplexityPolicy: true,
      longTouchForReset: true,
      enterpriseAttestation: null,
    });
    const mustChange = { code: 8, stderr: expect.stringContaining('the PIN must be changed first') };
    expect(await config('always-uv', 'off')).toMatchObject(mustChange);
    expect(await pin('verify', '--pin-file', file('1234'))).toMatchObject(mustChange);
    expect(await pin('change', '--pin-file', file('1234'), '--new-pin-file', file('12345'))).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('at least 6 characters, got 5'),
    });
    expect(await config('min-pin-length', '4')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('only grow'),
    });
  });
});

test('too many wrong PINs block the key until it is replugged, and in the end for good', async () => {
  await home.start('--consent', 'never');
  await pin('set', '--new-pin-file', file('1234'));
  const wrong = () => pin('verify', '--pin-file', file('wrong'));
  await wrong();
  await wrong();
  expect(await wrong()).toMatchObject({
    code: 8,
    stderr: expect.stringMatching(/^error: too many wrong PINs in a row: 5 tries left\nhint: .*`passfob replug`\n$/),
  });
  expect(await home.json('pin', 'status')).toMatchObject({ retries: 5, powerCycleNeeded: true });
  await home.run('replug');
  // A host spends the rest.
  const connection = await connectSocket({ kind: 'unix', path: home.keySocket });
  const ctap = new CtapClient(await CtapHidClient.connect(connection));
  const host = new PinClient(ctap, await ctap.getInfo());
  for (let i = 0; i < 2; i++) await host.getToken('wrong', { permissions: 4 }).catch(() => {});
  await connection.close();
  await home.run('replug');
  await wrong();
  expect(await wrong()).toMatchObject({ stderr: expect.stringContaining('1 try left') });
  expect(await wrong()).toMatchObject({
    code: 8,
    stderr: expect.stringMatching(/^error: the PIN is blocked for good\nhint: .*`passfob reset`\n$/),
  });
});

test('a key without a PIN is configured by whoever has it, and one that verifies itself asks its user', async () => {
  expect(await home.run('config', 'always-uv', 'on')).toMatchObject({ code: 0 });
  expect(await home.run('config', 'long-touch-reset')).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('give it one with `passfob pin set`'),
  });
  expect(await home.run('config', 'always-uv', 'off')).toMatchObject({ code: 0 });
  expect(await home.run('config', 'enterprise-attestation')).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/does not have this setting\nhint: put `"enterprise"/),
  });
  await home.start('--consent', 'always', '--verify');
  expect(await home.run('config', 'always-uv', 'on')).toMatchObject({ code: 0 });
  expect(await home.json('config', 'show')).toMatchObject({ alwaysUv: true });
});

test('a usage error says what is missing, wrong, or out of bounds', async () => {
  await home.start('--consent', 'never');
  const cases: [args: string[], message: string][] = [
    [['pin', 'set'], 'no new PIN: standard input is not a terminal\nhint: give --new-pin-file FILE'],
    [['pin', 'set', '--new-pin-file', '/nowhere'], 'cannot read the new PIN file /nowhere: no such file'],
    [['pin', 'set', '--new-pin-file', file('🔑🔑🔑')], 'expected a PIN of at least 4 characters, got 3'],
    [['config', 'always-uv', 'maybe'], 'it is on or off'],
    [['config', 'min-pin-length', 'six'], 'a length is a number of characters'],
    [['config', 'min-pin-length', '64'], 'expected a length from 4 to 63, got 64'],
    [['config', 'min-pin-length', '4', '--rp', ...'x'.repeat(33)], 'expected at most 32 relying parties, got 33'],
  ];
  for (const [args, message] of cases) {
    expect(await home.run(...args)).toMatchObject({ code: 2, stderr: expect.stringContaining(message) });
  }
});

test('the control socket lets no CTAP command through that touches credentials', async () => {
  await home.start('--consent', 'always');
  const folder = join(home.runtime, 'passfob');
  const daemon = new ControlClient(join(folder, readdirSync(folder).find((name) => name.startsWith('control')) ?? ''));
  for (const code of [0x01, 0x02, 0x07, 0x08, 0x0a, 0x0b, 0x0c, 0x41]) {
    await expect(daemon.ctap(Uint8Array.of(code))).rejects.toMatchObject({ name: 'UserError', exitCode: 2 });
  }
  await expect(daemon.ctap(new Uint8Array(0))).rejects.toMatchObject({ exitCode: 2 });
  expect(await daemon.ctap(Uint8Array.of(0x0d))).toEqual(Buffer.of(0x14));
});
