// `passfob vault slots` and `passfob vault rekey`, run as people run them, alone and beside a daemon.

import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Home } from '../../support/program.ts';

let home: Home;
beforeEach(async () => {
  home = new Home();
  await home.makeVault();
});
afterEach(() => home.remove());

type Slots = { id: string; kind: string; label: string | null; createdAt: string }[];
const slots = async () => (await home.json('vault', 'slots', 'list')) as Slots;

test('a recovery phrase is shown once and opens the vault whose passphrase is forgotten', {
  timeout: 60_000,
}, async () => {
  const made = await home.json('vault', 'slots', 'add', 'recovery-phrase', '--label', 'in the safe');
  const { recoveryPhrase, ...slot } = made as { recoveryPhrase: string };
  expect(recoveryPhrase.split(' ')).toHaveLength(24);
  const [keyFile, forgotten, added] = await slots();
  expect([forgotten?.kind, added]).toEqual(['passphrase', slot]);
  home.loseKeyFile();
  home.writePassphrase(recoveryPhrase);
  expect((await home.run('vault', 'slots', 'remove', forgotten?.id ?? '', '--yes')).code).toBe(0);
  expect(await home.json('credentials', 'list')).toEqual([]);
  expect(await slots()).toEqual([keyFile, slot]);
  home.writePassphrase(recoveryPhrase.replace(/^\S+/, 'secretword'));
  const slip = await home.run('credentials', 'list');
  expect([slip.code, slip.stderr]).toEqual([3, expect.stringContaining('word 1 of the recovery phrase')]);
  expect(slip.stderr).not.toContain('secretword');
});

test('a key file is made, and opens the vault also after the key is renewed beside a daemon', {
  timeout: 60_000,
}, async () => {
  const key = join(home.directory, 'key');
  expect((await home.run('vault', 'slots', 'add', 'key-file', key)).code).toBe(0);
  expect([statSync(key).mode & 0o777, statSync(key).size]).toEqual([0o600, 32]);
  const daemon = await home.start('--consent', 'always');
  const before = readFileSync(join(home.vault, 'data.mdb'));
  const rekey = await home.run('vault', 'rekey', '--key-file', key);
  expect([rekey.code, rekey.stderr]).toEqual([0, '']);
  expect(readFileSync(join(home.vault, 'data.mdb')).equals(before)).toBe(false);
  expect(await home.json('status')).toMatchObject({ running: true, credentials: 0 });
  await daemon.stop();
  expect(daemon.log()).not.toMatch(/error/i);
  expect((await home.run('credentials', 'list', '--key-file', key)).code).toBe(0);
  writeFileSync(key, new Uint8Array(32));
  const wrong = await home.run('credentials', 'list', '--key-file', key);
  expect([wrong.code, wrong.stderr]).toEqual([3, expect.stringContaining('the key file does not open the vault')]);
});

test('the last way in stays, and slots that are asked for wrongly are refused', { timeout: 60_000 }, async () => {
  const [only, other] = await slots();
  expect((await home.run('vault', 'slots', 'remove', other?.id ?? '', '--yes')).code).toBe(0);
  const refusals: [args: string[], code: number, message: string][] = [
    [['remove', only?.id ?? '', '--yes'], 3, 'last way'],
    [['remove', 'ffffffff', '--yes'], 3, 'no slot'],
    [['remove', only?.id ?? ''], 2, 'this needs a yes'],
    [['add', 'passphrase'], 2, 'give --new-passphrase-file FILE'],
    [['add', 'fingerprint'], 2, 'unknown kind of slot'],
    [['add', 'key-file'], 2, 'needs a file'],
    [['add', 'passphrase', 'hunter2'], 2, 'hunter2 does not go'],
    [['add', 'keyring', '--with-key', 'host'], 2, '--with-key does not go'],
  ];
  for (const [args, code, message] of refusals) {
    const refused = await home.run('vault', 'slots', ...args);
    expect([refused.code, refused.stderr]).toEqual([code, expect.stringContaining(message)]);
  }
  expect(await slots()).toEqual([only]);
});

test('the vault can be made with a recovery phrase', { timeout: 60_000 }, async () => {
  const vault = join(home.directory, 'other');
  home.loseKeyFile();
  const made = await home.run('vault', 'init', '--recovery-phrase', '--vault', vault);
  expect(made.stdout.match(/^ {2}( ?\d+ [a-z]+ *){4}$/gm)).toHaveLength(6);
  const listed = await home.run('vault', 'slots', 'list', '--vault', vault);
  expect(listed.stdout).toMatch(/^ID +KIND +CREATED +LABEL\n\w{8} {2}passphrase .*\n\w{8} {2}recovery-phrase .*\n$/);
});

test('the vault can be made with a key file, which must be there', { timeout: 60_000 }, async () => {
  const [vault, key] = [join(home.directory, 'other'), join(home.directory, 'key')];
  const early = await home.run('vault', 'init', '--vault', vault, '--key-file', key);
  expect([early.code, early.stderr]).toEqual([2, expect.stringContaining(`there is no key file ${key}`)]);
  expect(existsSync(vault)).toBe(false);
  writeFileSync(key, randomBytes(32));
  expect(await home.run('vault', 'init', '--vault', vault, '--key-file', key)).toMatchObject({ code: 0, stderr: '' });
  home.writePassphrase('forgotten');
  expect(await home.json('credentials', 'list', '--vault', vault, '--key-file', key)).toEqual([]);
});

test('passphrases come from the lines of standard input, each as it is needed', { timeout: 60_000 }, async () => {
  const files = ['--passphrase-file', '-', '--new-passphrase-file', '-'];
  home.loseKeyFile();
  const added = await home.runWith(
    'correct horse battery staple\nanother\n',
    ...['vault', 'slots', 'add', 'passphrase', ...files],
  );
  expect(added).toMatchObject({ code: 0, stderr: '' });
  home.writePassphrase('another');
  expect(await home.json('credentials', 'list')).toEqual([]);
  const empty = await home.runWith('', 'credentials', 'list', '--passphrase-file', '-');
  expect(empty).toMatchObject({ code: 2, stderr: expect.stringContaining('no line for the passphrase') });
});
