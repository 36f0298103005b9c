// A key with a PIN as libfido2's tools manage it: the PIN itself, credentials, large blobs, settings, reset; and the
// extensions and algorithms that the tools know. One key lives through it all, in this order.

import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Finished, start, succeed } from './command.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import {
  hashOf,
  makeCredentialWith,
  startAssertionWith,
  type ToolOptions,
  verifyAssertion,
  verifyCredential,
} from './libfido2.ts';
import { makeVault } from './vault.ts';

const pin = 'four seasons';
let daemon: Daemon;
let node: string;

beforeAll(async () => {
  const vault = await makeVault();
  const folder = join(vault.env['XDG_CONFIG_HOME'] ?? '', 'passfob');
  mkdirSync(folder);
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ enterprise: { rpIds: [] } }));
  daemon = await startDaemon({ vault });
  node = (await daemon.node()).path;
});
afterAll(() => daemon?.stop());

/** Runs fido2-token; `answers` are what it reads where it asks for PINs. */
function token(args: readonly string[], ...answers: string[]): Promise<Finished> {
  return start('fido2-token', [...args, node], { input: answers.map((answer) => `${answer}\n`).join('') }).finished;
}

/** The same with the right PIN. @returns what it printed, line by line. */
async function withPin(...args: string[]): Promise<string[]> {
  const { code, stdout, stderr } = await token(args, pin);
  expect(code, stderr).toBe(0);
  return stdout.split('\n').filter((line) => line !== '');
}

async function info(): Promise<string> {
  return (await token(['-I'])).stdout;
}

async function replug(): Promise<void> {
  await daemon.control.replug();
  node = (await daemon.node()).path;
}

const make = (rpId: string, userName: string, options: ToolOptions = {}) =>
  makeCredentialWith(node, rpId, userName, { pin, ...options });

const assert = (rpId: string, id: string | undefined, options: ToolOptions = {}) =>
  startAssertionWith(node, rpId, id, options).finished;

describe('the PIN', () => {
  test('is set with -S and changed with -C', async () => {
    expect(await info()).toContain('noclientPin');
    expect(await token(['-S'], 'the first', 'the first')).toMatchObject({ code: 0 });
    expect(await token(['-C'], 'the first', pin, pin)).toMatchObject({ code: 0 });
    expect(await info()).toMatch(/\bclientPin\b/);
    await withPin('-I', '-c');
  });

  test('costs a try where it is wrong, blocks after three in a row, and is free again after a replug', async () => {
    const wrong = () => token(['-I', '-c'], 'the first');
    expect((await wrong()).stderr).toContain('FIDO_ERR_PIN_INVALID');
    expect((await wrong()).stderr).toContain('FIDO_ERR_PIN_INVALID');
    expect((await wrong()).stderr).toContain('FIDO_ERR_PIN_AUTH_BLOCKED');
    expect((await token(['-I', '-c'], pin)).stderr).toContain('FIDO_ERR_PIN_AUTH_BLOCKED');
    expect(await info()).toMatch(/^pin retries: 5$/m);
    await replug();
    await withPin('-I', '-c');
    expect(await info()).toMatch(/^pin retries: 8$/m);
  });
});

describe('credential management', () => {
  test('lists, shows, renames and deletes what is on the key', async () => {
    const ada = await make('managed.example', 'ada', { options: ['-r'] });
    const bob = await make('managed.example', 'bob', { options: ['-r', '-c', '3'], type: 'eddsa' });
    expect(await withPin('-I', '-c')).toEqual(['existing rk(s): 2', 'remaining rk(s): 999998']);
    expect(await withPin('-L', '-r')).toEqual([`00: ${hashOf('managed.example')} managed.example`]);

    const [first = '', second = ''] = await withPin('-L', '-k', 'managed.example');
    expect(first).toMatch(`00: ${bob.id} `);
    expect(first).toMatch(/ eddsa uvreq$/);
    expect(second).toMatch(`01: ${ada.id} `);
    expect(second).toMatch(/ es256 uvopt$/);
    const [, , , userHandle = ''] = second.split(' ');

    await verifyCredential(ada, daemon.folder);
    const [id, ...publicKey] = await withPin('-I', '-k', 'managed.example', '-i', ada.id);
    expect(id).toBe(ada.id);
    expect(`${publicKey.join('\n')}\n`).toBe(readFileSync(join(daemon.folder, 'public-key.pem'), 'utf8'));

    await withPin('-S', '-c', '-i', ada.id, '-k', userHandle, '-n', 'ada', '-p', 'Countess');
    await withPin('-D', '-i', bob.id);
    expect(await withPin('-L', '-k', 'managed.example')).toEqual([`00: ${ada.id} Countess ${userHandle} es256 uvopt`]);
  });
});

describe('large blobs', () => {
  test('are stored for a credential, read, listed and deleted', async () => {
    const [text, copy] = [join(daemon.folder, 'blob'), join(daemon.folder, 'copy')];
    writeFileSync(text, 'a certificate for ssh, say: '.repeat(100));
    const credential = await make('blobs.example', 'ada', { options: ['-r', '-b'] });
    const ofCredential = ['-b', '-n', 'blobs.example', '-i', credential.id];
    await withPin('-S', ...ofCredential, text);
    await withPin('-G', ...ofCredential, copy);
    expect(readFileSync(copy, 'utf8')).toBe(readFileSync(text, 'utf8'));
    expect(await withPin('-L', '-b')).toEqual([expect.any(String), expect.stringMatching(/^00: +\d+ 2800 /)]);
    await withPin('-D', ...ofCredential);
    expect(await withPin('-L', '-b')).toEqual([]);
  });

  test('have one key, at registration and at every sign-in', async () => {
    const { id, output } = await make('blobs.example', 'grace', { options: ['-r', '-b'] });
    const key = output.trimEnd().split('\n').at(-1);
    const { stdout } = await assert('blobs.example', id, { options: ['-b'] });
    expect(stdout.trimEnd().split('\n').at(-1)).toBe(key);
  });
});

describe('hmac-secret', () => {
  const [oneSalt, otherSalt] = [hashOf('one salt'), hashOf('another salt')];

  test('gives one secret for one salt, another for another, and others again to those who know the PIN', async () => {
    const credential = await make('secrets.example', 'ada', { options: ['-h'] });
    await verifyCredential(credential, daemon.folder, { options: ['-h'] });
    const secret = async (options: ToolOptions) => {
      const { stdout, stderr } = await assert('secrets.example', credential.id, {
        ...options,
        options: ['-h', ...(options.options ?? [])],
      });
      const last = stdout.trimEnd().split('\n').at(-1) ?? stderr;
      expect(Buffer.from(last, 'base64')).toHaveLength(32);
      return last;
    };
    const plain = await secret({ salt: oneSalt });
    expect(await secret({ salt: oneSalt })).toBe(plain);
    const verified = await secret({ salt: oneSalt, options: ['-v'], pin });
    expect(await secret({ salt: oneSalt, options: ['-v'], pin })).toBe(verified);
    expect(new Set([plain, verified, await secret({ salt: otherSalt })]).size).toBe(3);
  });
});

describe('credProtect', () => {
  test.each([
    { level: '1', listed: true, named: true },
    { level: '2', listed: false, named: true },
    { level: '3', listed: false, named: false },
  ])('level $level: found without a PIN: $listed, by its id: $named', async ({ level, listed, named }) => {
    const rpId = `level-${level}.example`;
    const credential = await make(rpId, 'ada', { options: ['-r', '-c', level] });
    const publicKey = await verifyCredential(credential, daemon.folder, { options: ['-c', level] });
    const without = { found: await assert(rpId, undefined), named: await assert(rpId, credential.id) };
    expect({ listed: without.found.code === 0, named: without.named.code === 0 }).toEqual({ listed, named });
    for (const { code, stderr } of Object.values(without)) if (code) expect(stderr).toContain('NO_CREDENTIALS');
    const { stdout } = await assert(rpId, undefined, { options: ['-v'], pin });
    await verifyAssertion(stdout, publicKey, { options: ['-v'] });
  });
});

test.each(['es256', 'es384', 'eddsa'])('%s: libfido2 verifies the registration and the sign-in', async (type) => {
  const credential = await make('algorithms.example', 'ada', { type, options: ['-v'] });
  const publicKey = await verifyCredential(credential, daemon.folder, { type, options: ['-v'] });
  const { stdout } = await assert('algorithms.example', credential.id, { options: ['-v'], pin });
  await verifyAssertion(stdout, publicKey, { type, options: ['-v'] });
});

describe('the settings', () => {
  test('-S -u and -D -u turn alwaysUv on and off', async () => {
    await withPin('-S', '-u');
    expect(await info()).toMatch(/^options:.* alwaysUv\b.* nomakeCredUvNotRqd$/m);
    await withPin('-D', '-u');
    expect(await info()).toMatch(/^options:.* noalwaysUv\b.* makeCredUvNotRqd$/m);
  });

  test('-S -a enables enterprise attestation', async () => {
    expect(await info()).toMatch(/^options:.*\bnoep\b/m);
    await withPin('-S', '-a');
    expect(await info()).toMatch(/^options:.*\bep\b/m);
  });

  test('-S -l raises the least length of PINs, and -S -m names who may learn it', async () => {
    await withPin('-S', '-l', '6');
    await withPin('-S', '-m', 'a.example,b.example');
    expect(await info()).toMatch(/^minpinlen: 6$/m);
    expect((await token(['-C'], pin, '12345', '12345')).stderr).toContain('FIDO_ERR_PIN_POLICY_VIOLATION');
  });

  test('-S -f makes the PIN useless until it is changed', async () => {
    await withPin('-S', '-f');
    expect(await info()).toMatch(/^pin change required: true$/m);
    expect((await token(['-L', '-r'], pin)).stderr).toContain('FIDO_ERR_PIN_POLICY_VIOLATION');
    expect(await token(['-C'], pin, 'eight seasons', 'eight seasons')).toMatchObject({ code: 0 });
    expect(await info()).toMatch(/^pin change required: false$/m);
  });
});

test('fido2-token -R resets the key soon after it was plugged in, and not later', async () => {
  expect((await token(['-R'])).stderr).toContain('FIDO_ERR_NOT_ALLOWED');
  await replug();
  await succeed('fido2-token', ['-R', node]);
  expect(await info()).toMatch(/^options:.*\bnoclientPin\b/m);
  expect((await daemon.control.list()).credentials).toEqual([]);
});
