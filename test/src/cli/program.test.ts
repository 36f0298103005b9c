// The command line against a real vault and a real daemon on a socket, as people and scripts use it.

import { existsSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from 'vitest';
import { connectSocket } from '../../../hid/host/connect-socket.ts';
import { type CborOptions, CtapHidClient } from '../../../hid/host/ctaphid-client.ts';
import {
  parseResponse,
  request,
  sha256,
  type Value,
  verifyAssertion,
  verifyRegistration,
} from '../../support/platform.ts';
import { Home } from '../../support/program.ts';

// Some run a dozen commands, each a process of its own.
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const clientDataHash = sha256('client data');

/** A host on the key socket of `home`, with the requests that the tests need. */
async function plugIn(home: Home) {
  const connection = await connectSocket({ kind: 'unix', path: home.keySocket });
  const client = await CtapHidClient.connect(connection);
  const call = async (command: number, parameters?: Value, options?: CborOptions) =>
    parseResponse(await client.cbor(request(command, parameters), options));
  return {
    call,
    async register(rpId: string, userName: string, rk = true) {
      const answer = await call(
        0x01,
        new Map<number, Value>([
          [1, clientDataHash],
          [2, new Map([['id', rpId]])],
          [
            3,
            new Map<string, Value>([
              ['id', Buffer.from(userName)],
              ['name', userName],
              ['displayName', `The ${userName}`],
            ]),
          ],
          [
            4,
            [
              new Map<string, Value>([
                ['alg', -7],
                ['type', 'public-key'],
              ]),
            ],
          ],
          [7, new Map([['rk', rk]])],
        ]),
      );
      return verifyRegistration(answer, rpId, clientDataHash);
    },
    signIn: (rpId: string) =>
      call(
        0x02,
        new Map<number, Value>([
          [1, rpId],
          [2, clientDataHash],
        ]),
      ),
    close: () => connection.close(),
  };
}

const mode = (path: string) => (statSync(path).mode & 0o777).toString(8);
const id = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64url');

describe('without a vault', () => {
  let home: Home;
  beforeEach(() => {
    home = new Home();
  });
  afterEach(() => home.remove());

  test('--version prints the version and --help the commands', async () => {
    expect((await home.run('--version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
    const help = await home.run('--help');
    expect(help.code).toBe(0);
    for (const noun of ['vault', 'run', 'status', 'info', 'credentials', 'dump', 'reset', 'replug', 'demo']) {
      expect(help.stdout).toContain(`  ${noun}`);
    }
  });

  test.each([
    [['--nonsense'], "unknown option '--nonsense'"],
    [['nonsense'], "unknown command 'nonsense'"],
    [['credentials', 'show'], "missing required argument 'id'"],
    [['credentials', 'show', '--nonsense'], 'unknown option "--nonsense"'],
    [['reset', '--yes', '--vault', ''], '--vault is empty'],
    [['run', '--consent', 'maybe'], 'unknown consent "maybe"'],
    [['consent', 'maybe'], 'unknown mode "maybe"'],
  ])('%j is a usage error', async (args, message) => {
    const { code, stderr } = await home.run(...args);
    expect(stderr).toContain(message);
    expect(code).toBe(2);
  });

  test('run says how to make a vault', async () => {
    const { code, stderr } = await home.run('run', '--consent', 'always');
    expect(stderr).toBe(`error: there is no vault in ${home.vault}\nhint: make one with \`passfob vault init\`\n`);
    expect(code).toBe(3);
  });

  test('credentials list says that there is no vault', async () => {
    expect(await home.run('credentials', 'list')).toMatchObject({ code: 3, stdout: '' });
  });

  test('status says that no daemon runs', async () => {
    expect(await home.json('status')).toEqual({ running: false, vault: home.vault, exists: false });
  });

  test('metadata prints a statement of the chosen profile, without a vault', async () => {
    const { code, stdout } = await home.run('metadata', '--profile', 'full');
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ protocolFamily: 'fido2', attestationTypes: ['basic_surrogate'] });
    expect(await home.run('metadata', '--attestation', 'certificate')).toMatchObject({ code: 3 });
  });

  test('replug needs a daemon', async () => {
    expect(await home.run('replug')).toMatchObject({ code: 5 });
  });

  test('vault init says what its credentials are, and takes no kind that it does not know', async () => {
    const synced = await home.run('vault', 'init', '--credentials', 'synced');
    expect(synced.stdout).toContain(
      'Its credentials are synced: sites learn that copies may exist, see no counter, and `passfob backup` keeps them.',
    );
    const odd = await home.run('vault', 'init', '--credentials', 'copied');
    expect(odd).toMatchObject({ code: 2, stderr: expect.stringContaining('one of: device-bound, synced') });
  });

  test('vault init makes a vault that only its owner can read, once', async () => {
    expect(await home.run('vault', 'init')).toMatchObject({ code: 0, stderr: '' });
    expect(mode(home.vault)).toBe('700');
    for (const file of readdirSync(home.vault)) expect(mode(join(home.vault, file))).toBe('600');
    expect(await home.run('vault', 'init')).toMatchObject({ code: 3, stderr: expect.stringContaining('already') });
    home.writePassphrase('wrong');
    expect(await home.run('credentials', 'list')).toMatchObject({
      code: 3,
      stderr: expect.stringContaining('passphrase'),
    });
  });

  test('a dump that has no folder to go to is refused before anything is opened', async () => {
    expect(await home.run('dump', '--output', join(home.directory, 'none', 'x'))).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/there is no folder .*none\nhint: make it, or name another place\n$/),
    });
  });

  test('without a terminal and without a file there is no passphrase to be had', async () => {
    const { code, stderr } = await home.run('vault', 'init', '--passphrase-file', join(home.directory, 'none'));
    expect(stderr).toContain('no such file');
    expect(code).toBe(2);
  });
});

describe('with a vault', () => {
  let home: Home;
  beforeAll(async () => {
    home = new Home();
    await home.makeVault();
  });
  afterEach(() => home.stopDaemons());
  afterAll(() => home.remove());

  test('what is registered through the daemon is listed, shown, renamed, dumped and deleted, with and without it', async () => {
    const daemon = await home.start('--consent', 'always');
    expect(daemon.readyLine).toBe(`ready: socket:${home.keySocket}`);
    expect(mode(home.keySocket)).toBe('600');
    expect(daemon.log()).toContain('consent is "always"');
    const host = await plugIn(home);
    const alice = await host.register('example.com', 'alice');
    await host.register('example.org', 'bob');
    await host.register('example.net', 'carol', false);
    await host.close();

    const listed = (await home.json('credentials', 'list')) as { id: string }[];
    expect(listed).toHaveLength(2);
    expect(listed[1]).toEqual({
      id: id(alice.credentialId),
      rpId: 'example.com',
      userName: 'alice',
      userDisplayName: 'The alice',
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      discoverable: true,
      algorithm: -7,
    });
    expect(await home.json('status')).toMatchObject({ running: true, credentials: 2, consent: 'always' });
    expect(await home.json('info')).toMatchObject({ versions: expect.arrayContaining(['FIDO_2_0', 'U2F_V2']) });
    const prefix = id(alice.credentialId).slice(0, 8);
    expect(await home.json('credentials', 'rename', prefix, '--name', 'alice@example.com')).toMatchObject({
      userName: 'alice@example.com',
      userDisplayName: 'The alice',
    });

    expect(await daemon.stop()).toEqual({ code: 0, signal: null });
    expect(existsSync(home.keySocket)).toBe(false);
    expect(readdirSync(join(home.runtime, 'passfob'))).toEqual([]);

    expect(await home.json('credentials', 'show', prefix)).toMatchObject({
      id: id(alice.credentialId),
      userName: 'alice@example.com',
      userHandle: id(Buffer.from('alice')),
      publicKey: { kty: 'EC', crv: 'P-256' },
    });
    expect(await home.run('credentials', 'rename', prefix, '--name', 'ä'.repeat(129))).toMatchObject({ code: 2 });
    const plain = JSON.parse((await home.run('dump', '--json')).stdout);
    expect(plain.credentials).toHaveLength(2);
    expect(JSON.stringify(plain)).not.toContain('"d"');
    const file = join(home.directory, 'keys.json');
    expect(await home.run('dump', '--secrets', '--output', file)).toMatchObject({ code: 0, stdout: '' });
    expect(mode(file)).toBe('600');
    expect(await home.run('dump', '--output', file)).toMatchObject({ code: 1 });

    expect(await home.run('credentials', 'delete', prefix)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--yes'),
    });
    expect(await home.run('credentials', 'delete', 'AAAAAAAA', '--yes')).toMatchObject({ code: 4 });
    expect(await home.run('credentials', 'delete', prefix, '--yes')).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('the whole id is wanted'),
    });
    expect(await home.run('credentials', 'delete', id(alice.credentialId), '--yes')).toMatchObject({
      code: 0,
      stdout: 'deleted the credential of example.com (alice@example.com)\n',
    });
    expect(await home.json('credentials', 'list')).toHaveLength(1);
  });

  test.each(['-Vabc', '-habc', '--Abc', '--abc-9'])('an id may begin like an option: %s', async (id) => {
    expect(await home.run('credentials', 'delete', id, '--yes')).toMatchObject({
      code: 4,
      stderr: expect.stringContaining(`no credential has an id that begins with "${id}"`),
    });
  });

  test('a credential survives a daemon that is killed, and the next one takes its place', async () => {
    const first = await home.start('--consent', 'always');
    const host = await plugIn(home);
    const registration = await host.register('killed.example', 'dave');
    const before = verifyAssertion(
      await host.signIn('killed.example'),
      'killed.example',
      clientDataHash,
      () => registration.publicKey,
    );
    await first.stop('SIGKILL');
    const second = await home.start('--consent', 'always');
    const again = await plugIn(home);
    const after = verifyAssertion(
      await again.signIn('killed.example'),
      'killed.example',
      clientDataHash,
      () => registration.publicKey,
    );
    expect(after.data.signCount).toBeGreaterThan(before.data.signCount);
    await again.close();
    expect(await second.stop('SIGINT')).toEqual({ code: 0, signal: null });
  });

  test('the private keys leave a daemon only with the passphrase', async () => {
    const daemon = await home.start('--consent', 'always');
    const host = await plugIn(home);
    await host.register('secret.example', 'grace');
    await host.close();
    const wrong = join(home.directory, 'wrong');
    writeFileSync(wrong, 'not it\n', { mode: 0o600 });
    home.loseKeyFile();
    const refused = await home.run('dump', '--secrets', '--passphrase-file', wrong);
    expect(refused).toMatchObject({ code: 3, stdout: '', stderr: expect.stringContaining('wrong passphrase') });
    const { stdout } = await home.run('dump', '--secrets');
    expect(JSON.parse(stdout).credentials[0].privateKey.d).toMatch(/^[\w-]{43}$/);
    await daemon.stop();
  });

  test('a daemon lives on when nobody reads what it prints', async () => {
    const daemon = await home.start('--consent', 'always');
    daemon.child.stdout?.destroy();
    daemon.child.stderr?.destroy();
    const host = await plugIn(home);
    for (let i = 0; i < 3; i++) expect(await host.call(0x0b)).toMatchObject({ status: 0 });
    await host.close();
    expect(await daemon.stop()).toEqual({ code: 0, signal: null });
  });

  test('one vault has one daemon', async () => {
    const daemon = await home.start('--consent', 'always');
    const second = await home.run('run', '--consent', 'always', '--transport', 'tcp:127.0.0.1:0');
    expect(second).toMatchObject({ code: 5, stderr: expect.stringContaining(`process ${daemon.child.pid}`) });
    await daemon.stop();
  });

  test('a socket that is in use is an error that says so, and leaves no control socket behind', async () => {
    const other = new Home();
    await other.makeVault();
    const daemon = await home.start('--consent', 'always');
    const clash = await other.run('run', '--consent', 'always', '--transport', `socket:${home.keySocket}`);
    expect(clash).toMatchObject({ code: 7, stderr: expect.stringContaining('in use') });
    expect(readdirSync(join(other.runtime, 'passfob'))).toEqual([]);
    await daemon.stop();
    await other.remove();
  });

  test('without a terminal the ways to do without are named, unless the transport is none', async () => {
    const mute = await home.run('run', '--transport', `socket:${home.keySocket}`);
    expect(mute).toMatchObject({ code: 2, stderr: expect.stringContaining('each touch is a `passfob consent once`') });
    const none = await home.run('run', '--transport', 'nonsense');
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining('unknown transport') });
  });

  test('scripted consent withholds the touch, and gives one or all', async () => {
    const daemon = await home.start('--consent', 'scripted');
    const host = await plugIn(home);
    const cancel = new AbortController();
    const withheld = host.call(0x0b, undefined, { signal: cancel.signal, onKeepalive: () => cancel.abort() });
    expect(await withheld).toMatchObject({ status: 0x2d });
    const waiting = host.call(0x0b);
    expect(await home.run('consent', 'once')).toMatchObject({ code: 0 });
    expect(await waiting).toMatchObject({ status: 0 });
    await home.run('consent', 'always');
    expect(await host.call(0x0b)).toMatchObject({ status: 0 });
    await host.close();
    await daemon.stop();
  });

  test('--verify offers built-in user verification to hosts, where nobody is asked in earnest', async () => {
    const refused = { code: 2, stderr: expect.stringContaining('--verify does not go with --consent never') };
    expect(await home.run('run', '--consent', 'never', '--verify')).toMatchObject(refused);
    const daemon = await home.start('--consent', 'always', '--verify');
    expect(await home.json('info')).toMatchObject({ options: { uv: true, uvAcfg: true }, uvModality: 1 });
    await daemon.stop();
  });

  test('consent is steered only where it is scripted', async () => {
    const daemon = await home.start('--consent', 'never');
    const host = await plugIn(home);
    expect(await host.call(0x0b)).toMatchObject({ status: 0x27 });
    expect(await home.run('consent', 'always')).toMatchObject({ code: 5, stderr: expect.stringContaining('scripted') });
    await host.close();
    await daemon.stop();
  });

  test('replug ends the connections of hosts and keeps the vault', async () => {
    const daemon = await home.start('--consent', 'always');
    const connection = await connectSocket({ kind: 'unix', path: home.keySocket });
    const unplugged = new Promise<void>((resolve) => connection.onClose(resolve));
    const before = await home.json('credentials', 'list');
    expect(await home.run('replug')).toMatchObject({ code: 0, stderr: '' });
    await unplugged;
    const host = await plugIn(home);
    expect(await host.call(0x04)).toMatchObject({ status: 0 });
    expect(await home.json('credentials', 'list')).toEqual(before);
    await host.close();
    await daemon.stop();
  });

  test('reset erases every credential, also while the daemon runs', async () => {
    const daemon = await home.start('--consent', 'always');
    const host = await plugIn(home);
    await host.register('reset.example', 'erin');
    await host.close();
    expect(await home.run('reset')).toMatchObject({ code: 2 });
    expect(await home.run('reset', '--yes')).toMatchObject({ code: 0, stdout: 'the key is as new\n' });
    expect(await home.json('credentials', 'list')).toEqual([]);
    const again = await plugIn(home);
    expect(await again.signIn('reset.example')).toMatchObject({ status: 0x2e });
    await again.close();
    await daemon.stop();
  });
});

test('demo performs a sign-up and a sign-in by itself', async () => {
  const home = new Home();
  const { code, stdout, stderr } = await home.run('demo', '--once', '--port', '0');
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(stdout).toContain('sign');
  await home.remove();
});
