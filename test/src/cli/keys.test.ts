// `passfob keys`, `run --key` and `--key` elsewhere: the built program, on keys of a configuration file.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { connectSocket } from '../../../hid/host/connect-socket.ts';
import { CtapHidClient } from '../../../hid/host/ctaphid-client.ts';
import { Home } from '../../support/program.ts';

let home: Home;
beforeAll(() => {
  home = new Home();
});
afterEach(() => home.stopDaemons());
afterAll(() => home.remove());

const socketOf = (name: string) => join(home.directory, `${name}.sock`);

/** Made from the place of the vault. */
const serial = expect.stringMatching(/^PF[0-9A-F]{8}$/);

function configure(keys: Record<string, object>): void {
  const folder = join(home.directory, '.config', 'passfob');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ keys }));
}

test('the key without a name is listed where there is no other', async () => {
  expect(await home.json('keys')).toMatchObject([{ name: null, vault: home.vault, exists: false, pid: null }]);
});

test('a key that nobody configured is refused, with a way to configure it', async () => {
  const { code, stderr } = await home.run('status', '--key', 'work');
  expect(code).toBe(2);
  expect(stderr).toContain('there is no key "work"');
  expect(stderr).toContain('hint: name keys there: {"keys": {"work": {}}}');
});

test('watching is for all keys of the machine', async () => {
  expect(await home.run('keys', '--watch')).toMatchObject({ code: 2, stderr: expect.stringContaining('--all') });
});

describe('two keys of the configuration file', () => {
  beforeAll(() => {
    configure({
      work: { transport: [`socket:${socketOf('work')}`], serialNumber: 'W-1', consent: 'never' },
      home: { transport: [`socket:${socketOf('home')}`], consent: 'never' },
    });
  });

  test('are listed for people with where they are', async () => {
    const { stdout } = await home.run('keys');
    const [heading, ...lines] = stdout.trimEnd().split('\n');
    expect(heading).toMatch(/^KEY +VAULT +PROCESS +TRANSPORTS +SERIAL +CREDENTIALS$/);
    expect(lines.map((line) => line.split(/ {2,}/))).toEqual([
      ['work', expect.stringMatching(/keys\/work \(not made yet\)$/), '-', `socket:${socketOf('work')}`, 'W-1', '-'],
      ['home', expect.stringMatching(/keys\/home \(not made yet\)$/), '-', `socket:${socketOf('home')}`, serial, '-'],
    ]);
  });

  test('do not run without their vaults', async () => {
    const { code, stderr } = await home.run('run', '--all-keys');
    expect(code).toBe(3);
    expect(stderr).toContain('error: key "work": there is no vault in');
  });

  describe('with their vaults', () => {
    beforeAll(async () => {
      await home.makeVault('device-bound', join(dirname(home.vault), 'keys', 'home'));
      await home.run('vault', 'init', '--key', 'work');
    });

    test('run in one process, each on its own transports', async () => {
      const daemon = await home.startKeys('--all-keys');
      expect(daemon.readyLine).toBe(`ready: work on socket:${socketOf('work')}; home on socket:${socketOf('home')}`);
      for (const key of ['work', 'home']) {
        const connection = await connectSocket({ kind: 'unix', path: socketOf(key) });
        expect(await (await CtapHidClient.connect(connection)).ping(Uint8Array.of(7))).toEqual(Uint8Array.of(7));
        await connection.close();
      }
      const { pid } = daemon.child;
      expect(await home.json('keys')).toMatchObject([
        { name: 'work', exists: true, pid, locked: false, serialNumber: 'W-1', credentials: 0, problem: null },
        { name: 'home', exists: true, pid, serialNumber: serial, credentials: 0, problem: null },
      ]);
      expect(await daemon.stop()).toEqual({ code: 0, signal: null });
    });

    test('if one fails, the start ends with its name, and leaves nothing of the other', async () => {
      writeFileSync(socketOf('home'), 'in the way');
      const { code, stdout, stderr } = await home.run('run', '--key', 'work', '--key', 'home');
      expect(stderr).toContain('error: key "home": ');
      expect([code, stdout]).toEqual([7, '']);
      expect(await home.json('keys')).toMatchObject([{ pid: null }, { pid: null }]);
      await expect(connectSocket({ kind: 'unix', path: socketOf('work') })).rejects.toThrow('ENOENT');
    });
  });
});
