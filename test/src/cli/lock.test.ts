// Locking and unlocking as people do it: the built program, in processes of its own.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { connectSocket } from '../../../hid/host/connect-socket.ts';
import { CtapHidClient } from '../../../hid/host/ctaphid-client.ts';
import * as platform from '../../support/platform.ts';
import { Home } from '../../support/program.ts';

// Each command is a process of its own.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let home: Home;
beforeEach(async () => {
  home = new Home();
  await home.makeVault();
});
afterEach(() => home.remove());

describe('passfob lock and unlock', () => {
  test('close and open the vault of the daemon, which says which it is', async () => {
    await home.start('--consent', 'never');
    expect(await home.json('status')).toMatchObject({ locked: false, credentials: 0 });
    expect(await home.run('lock')).toMatchObject({ code: 0, stdout: 'the vault is locked\n' });
    expect(await home.json('status')).toMatchObject({ locked: true, credentials: null });
    expect((await home.run('status')).stdout).toMatch(/^locked +yes; `passfob unlock` opens the vault$/m);
    home.loseKeyFile();
    expect(await home.run('unlock')).toMatchObject({ code: 0, stdout: 'the vault is unlocked\n' });
    expect(await home.json('status')).toMatchObject({ locked: false });
  });

  test('say no more than that if it is so already', async () => {
    await home.start('--locked', '--consent', 'never');
    expect(await home.run('lock')).toMatchObject({ code: 0 });
    expect(await home.run('unlock')).toMatchObject({ code: 0 });
    expect(await home.run('unlock')).toMatchObject({ code: 0 });
  });

  test('need a daemon', async () => {
    expect(await home.run('lock')).toMatchObject({ code: 5 });
    expect(await home.run('unlock')).toMatchObject({ code: 5 });
  });

  test('a wrong passphrase leaves it locked', async () => {
    await home.start('--locked', '--consent', 'never');
    home.loseKeyFile();
    home.writePassphrase('wrong');
    const { code, stderr } = await home.run('unlock');
    expect(code).toBe(3);
    expect(stderr).toContain('the passphrase does not open the vault');
    expect(await home.json('status')).toMatchObject({ locked: true });
  });

  test('the daemon says that it waits for the passphrase, and ends in order', async () => {
    const daemon = await home.start('--locked', '--consent', 'never');
    expect(daemon.log()).toContain('info: the vault is locked: `passfob unlock` opens it');
    expect(await daemon.stop()).toEqual({ code: 0, signal: null });
  });
});

describe('a daemon without a terminal', () => {
  test('starts locked if nothing opens the vault', async () => {
    home.env['PASSFOB_PASSPHRASE_FILE'] = '';
    home.loseKeyFile();
    await home.start('--consent', 'never');
    expect(await home.json('status')).toMatchObject({ locked: true });
  });
});

describe('a command on the vault of a locked daemon', () => {
  test('opens the vault for itself, and the daemon stays locked', async () => {
    await home.start('--locked', '--consent', 'never');
    expect(await home.json('credentials', 'list')).toEqual([]);
    expect(await home.json('status')).toMatchObject({ locked: true });
  });

  test('what it changes is what the locked daemon tells of the key', async () => {
    await home.start('--locked', '--consent', 'never');
    expect(await home.run('config', 'long-touch-reset')).toMatchObject({ code: 0 });
    const host = await CtapHidClient.connect(await connectSocket({ kind: 'unix', path: home.keySocket }));
    const { members } = platform.parseResponse(await host.cbor(platform.request(0x04)));
    expect(members.get(0x18)).toBe(true);
    expect(await home.json('status')).toMatchObject({ locked: true });
    await host.close();
  });
});

test('of two daemons that start in the same moment on one vault, one runs', async () => {
  const outcomes = await Promise.allSettled([home.start('--consent', 'never'), home.start('--consent', 'never')]);
  const said = outcomes.map((outcome) => (outcome.status === 'rejected' ? String(outcome.reason) : 'ready'));
  expect(said.sort()).toEqual([expect.stringContaining('ended with 5'), 'ready']);
  expect(await home.json('status')).toMatchObject({ running: true });
});

test('a demo that is stopped by Ctrl-C says so, and has not failed', async () => {
  const entrance = fileURLToPath(new URL('../../../dist/bin/passfob.js', import.meta.url));
  const child = spawn(process.execPath, [entrance, 'demo', '--once', '--port', '0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errors += chunk;
  });
  const [line] = await once(createInterface({ input: child.stdout }), 'line');
  expect(line).toContain('A security key on');
  child.kill('SIGINT');
  const [code] = await once(child, 'close');
  expect([code, errors]).toEqual([130, 'error: the demo was stopped before it was done\n']);
});
