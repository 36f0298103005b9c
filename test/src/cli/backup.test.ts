// passfob backup, restore, export and import against real vaults: one that the commands open themselves, and one that a
// daemon serves.

import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { generateX25519Identity, identityToRecipient } from 'age-encryption';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { openAge, sealAge } from '../../../src/backup/age.ts';
import { JsonReader } from '../../../src/exchange/json-reader.ts';
import { readPortableVault } from '../../../src/exchange/portable.ts';
import { openVault } from '../../../store/vault.ts';
import { Home } from '../../support/program.ts';
import { sampleCredential } from '../../support/vault-contract.ts';

const sample = (name: string) => resolve('test/src/exchange/samples', name);
/** A few commands take seconds over a file's passphrase, more on a busy machine. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const broken = {
  format: 'passfob-backup',
  formatVersion: 1,
  createdAt: '2026-11-23T10:15:00.000Z',
  syncedIdKeys: [],
  credentials: [{ id: '+' }],
};

let source: Home;
let target: Home;
/** Under a passphrase each command would take seconds. */
let sealing: string[];
let opening: string[];
let passphraseFlags: string[];
let identity: string;
let backup: string;
beforeAll(async () => {
  source = new Home();
  target = new Home();
  const filePassphrase = join(source.directory, 'file-passphrase');
  writeFileSync(filePassphrase, 'of the file\n', { mode: 0o600 });
  passphraseFlags = ['--age-passphrase-file', filePassphrase];
  identity = await generateX25519Identity();
  const identityFile = join(source.directory, 'key.txt');
  writeFileSync(identityFile, `# a comment\n${identity}\n`, { mode: 0o600 });
  sealing = ['--recipient', await identityToRecipient(identity)];
  opening = ['--identity', identityFile];
  backup = join(source.directory, 'backup.age');
  await source.makeVault('synced');
  await target.makeVault();
  await target.start('--consent', 'never');
  const vault = await openVault(source.vault, { keyFile: readFileSync(source.keyFile) });
  await vault.update((tx) => tx.putCredential(sampleCredential(1, { rpId: 'bound.example' })));
  await vault.close();
});
afterAll(() => Promise.all([source.remove(), target.remove()]));

const list = async (home: Home) =>
  ((await home.json('credentials', 'list')) as { id: string; rpId: string }[]).map(({ id, rpId }) => ({ id, rpId }));

describe('import', () => {
  test('takes several files at once, counts the rest, and skips what is there', async () => {
    const files = [sample('bitwarden.json'), sample('cxf.json'), sample('keepassxc.passkey')];
    expect(await source.json('import', '--dry-run', ...files)).toMatchObject({ imported: { length: 7 }, dryRun: true });
    expect(await list(source)).toHaveLength(1);
    expect(await source.json('import', ...files)).toMatchObject({ imported: { length: 7 }, skipped: 0, passedOver: 6 });
    expect(await source.json('import', ...files)).toMatchObject({ imported: [], skipped: 7 });
  });

  test('takes nothing of a file with one bad field, and names it', async () => {
    const text = readFileSync(sample('bitwarden.json'), 'utf8');
    const bad = join(source.directory, 'bad.json');
    writeFileSync(bad, text.replaceAll(/"shop.example"/g, '7'));
    const { code, stderr } = await target.run('import', bad);
    expect(stderr).toContain(`${bad}: items[2].login.fido2Credentials[0].rpId: expected a text, got a number`);
    expect(code).toBe(1);
    expect(await list(target)).toEqual([]);
  });

  test('refuses a key that the vault has otherwise', async () => {
    const document = JSON.parse(readFileSync(sample('keepassxc.passkey'), 'utf8'));
    const other = JSON.parse(readFileSync(sample('bitwarden.json'), 'utf8')).items[1].login.fido2Credentials[0];
    const pem = `-----BEGIN PRIVATE KEY-----\n${Buffer.from(other.keyValue, 'base64url').toString('base64')}\n-----END PRIVATE KEY-----`;
    const changed = join(source.directory, 'other.passkey');
    writeFileSync(changed, JSON.stringify({ ...document, privateKey: pem }));
    expect(await source.run('import', changed)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('of webauthn.example has another key in the vault'),
    });
  });
});

describe('backup', () => {
  test('has the synced credentials, says how many others stayed out, and is private', async () => {
    const { code, stdout, stderr } = await source.run('backup', backup, ...sealing);
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(stdout).toContain(`wrote 7 synced credentials to ${backup}`);
    expect(stdout).toContain('1 device-bound credential stayed out');
    expect(statSync(backup).mode & 0o777).toBe(0o600);
    const document = JSON.parse(
      Buffer.from(await openAge(readFileSync(backup), { identities: [identity] })).toString(),
    );
    expect(document).toMatchObject({ format: 'passfob-backup', formatVersion: 1, syncedIdKeys: { length: 1 } });
    expect(readPortableVault(new JsonReader(document)).credentials).toHaveLength(7);
    expect(JSON.stringify(document)).not.toContain('bound.example');
  });

  test('does not write over a file, unless forced', async () => {
    const before = readFileSync(backup);
    expect(await source.run('backup', backup, ...sealing)).toMatchObject({ code: 1 });
    expect(readFileSync(backup)).toEqual(before);
    expect(await source.json('backup', backup, ...sealing, '--force')).toMatchObject({
      credentials: 7,
      deviceBound: 1,
    });
    expect(readFileSync(backup)).not.toEqual(before);
    expect(readdirSync(source.directory).filter((name) => name.startsWith('.backup'))).toEqual([]);
  });

  test('wants the passphrase of the vault, also of a daemon', async () => {
    const wrong = join(source.directory, 'wrong');
    writeFileSync(wrong, 'wrong\n', { mode: 0o600 });
    const file = join(source.directory, 'none.age');
    for (const home of [source, target]) {
      home.loseKeyFile();
      const refused = await home.run('backup', file, ...sealing, '--passphrase-file', wrong);
      expect(refused).toMatchObject({ code: 3, stderr: expect.stringContaining('passphrase') });
      expect(readdirSync(source.directory)).not.toContain('none.age');
    }
    expect(await target.json('backup', file, ...sealing)).toMatchObject({ credentials: 0 });
    for (const home of [source, target]) home.findKeyFile();
  });

  test('opens with what it was sealed for, and says what that is', async () => {
    expect(await target.run('restore', backup)).toMatchObject({
      code: 2,
      stderr: expect.stringContaining('--identity'),
    });
    const shown = await target.run('restore', backup, ...opening, '--dry-run');
    expect(shown.stdout).toContain('  7 new\n');
    const both = await source.run('backup', `${backup}2`, '--recipient', 'age1x', ...passphraseFlags);
    expect(both).toMatchObject({ code: 2, stderr: expect.stringContaining('got both') });
  });

  test('under a passphrase opens with it', async () => {
    const file = join(source.directory, 'passphrase.age');
    await source.json('backup', file, ...passphraseFlags);
    const shown = await target.run('restore', file, ...passphraseFlags, '--dry-run');
    expect(shown.stdout).toContain('  7 new\n');
  });
});

describe('restore', () => {
  test('shows what it would do, and does it only after a yes', async () => {
    const shown = await target.run('restore', backup, ...opening, '--dry-run');
    expect(shown).toMatchObject({ code: 0, stderr: '' });
    expect(shown.stdout).toContain('  7 new\n  0 there already');
    expect(shown.stdout).toMatch(/^new +bank\.example +ada/m);
    expect(await target.run('restore', backup, ...opening)).toMatchObject({ code: 2 });
    expect(await list(target)).toEqual([]);
  });

  test.each<[string, (good: Uint8Array) => Uint8Array | Promise<Uint8Array>, string]>([
    ['a wrong passphrase', () => seal(broken, 'another one'), 'wrong passphrase for the file'],
    ['a file cut short', (good) => good.subarray(0, -10), 'damaged or cut short'],
    ['another kind of file', () => Buffer.from('{}'), 'changed.age: expected a passfob backup, got something else'],
    ['what is neither JSON nor age', () => Buffer.from('PK'), 'changed.age: the file is not JSON'],
    ['an age file with other content', () => seal({ some: 'thing' }), 'expected a passfob backup'],
    ['a backup of a later version', () => seal({ format: 'passfob-backup', formatVersion: 2 }), 'version 2'],
    ['a backup with a broken credential', (good) => good, 'credentials[0].id: expected base64url'],
  ])('refuses %s and changes nothing', async (_, make, message) => {
    const file = join(source.directory, 'changed.age');
    writeFileSync(file, await make(await seal(broken)));
    const { code, stderr } = await target.run('restore', file, ...passphraseFlags, '--yes');
    expect(stderr).toContain(message);
    expect(code).toBeGreaterThan(0);
    expect(await list(target)).toEqual([]);
  });

  test('brings all into the vault of a running daemon, which has them at once', async () => {
    const restored = await target.json('restore', backup, ...opening, '--yes');
    expect(restored).toMatchObject({ added: { length: 7 }, newIdKeys: 1, restored: true });
    expect(await target.json('status')).toMatchObject({ credentials: 7 });
    expect(new Set(await list(target))).toEqual(
      new Set((await list(source)).filter(({ rpId }) => !rpId.startsWith('bound'))),
    );
  });

  test('again finds nothing to do, and keeps what was renamed unless told otherwise', async () => {
    const [first] = await list(target);
    await target.run('credentials', 'rename', first?.id ?? '', '--name', 'renamed');
    const again = await target.run('restore', backup, ...opening);
    expect(again.stdout).toContain('1 there already, but different: kept as the vault has them');
    expect(again).toMatchObject({ code: 0 });
    const replaced = await target.run('restore', backup, ...opening, '--replace', '--yes');
    expect(replaced.stdout).toContain('restored 1 credential\n');
    expect((await target.run('restore', backup, ...opening)).stdout).toContain('nothing is missing in the vault');
  });
});

test('restore takes what `age -d` made of a backup, and warns', async () => {
  const file = join(source.directory, 'passkeys.json');
  writeFileSync(file, await openAge(readFileSync(backup), { identities: [identity] }));
  expect(await source.run('restore', file)).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('  7 there already\n'),
    stderr: expect.stringContaining('private keys in clear text'),
  });
});

describe('export', () => {
  const path = (name: string) => join(source.directory, name);

  test('writes clear text only if told to, and warns', async () => {
    const plain = await source.run('export', path('plain.json'), '--format', 'cxf', '--plain');
    expect(plain.stderr).toContain('has private keys in clear text');
    expect(plain.stdout).toContain('wrote 7 passkeys');
    expect(plain.stdout).toContain('1 device-bound credential stayed out');
    expect(statSync(path('plain.json')).mode & 0o777).toBe(0o600);
    expect(JSON.parse(readFileSync(path('plain.json'), 'utf8')).accounts[0].items).toHaveLength(7);
    await source.run('export', path('sealed.json'), '--format', 'cxf', ...sealing);
    expect(readFileSync(path('sealed.json'), 'latin1')).toMatch(/^age-encryption\.org\/v1\n/);
    expect(await target.json('import', path('sealed.json'), ...opening)).toMatchObject({ imported: [], skipped: 7 });
  });

  test('takes those that are named, or those of a website', async () => {
    const one = (await list(source)).find(({ rpId }) => rpId === 'webauthn.example');
    await source.run('export', path('one.passkey'), one?.id.slice(0, 8) ?? '', '--format', 'keepassxc', '--plain');
    expect(JSON.parse(readFileSync(path('one.passkey'), 'utf8'))).toEqual(
      JSON.parse(readFileSync(sample('keepassxc.passkey'), 'utf8')),
    );
    const flags = ['--format', 'bitwarden', '--plain', '--rp', 'example.com'];
    expect(await source.json('export', path('rp.json'), ...flags)).toMatchObject({ exported: 1, deviceBound: 0 });
  });

  test.each([
    [['--rp', 'bound.example'], 'bound.example is device-bound: the website was told that it exists once', 1],
    [['AQEBAQEB'], 'bound.example is device-bound', 1],
    [['--rp', 'nowhere.example'], 'there is no credential to export', 4],
    [['_no_such_id'], 'no credential has an id that begins with', 4],
    [['--rp', 'forum.example', '--format', 'bitwarden'], 'Bitwarden has ES256 only', 1],
    [['--format', 'csv'], 'unknown format "csv"', 2],
    [['--recipient', 'age1x'], 'expected --plain or what to seal the file under, got both', 2],
  ])('refuses %j', async (args, message, code) => {
    const refused = await source.run('export', path('refused'), '--format', 'cxf', '--plain', ...args);
    expect(refused.stderr).toContain(message);
    expect(refused.code).toBe(code);
    expect(readdirSync(source.directory)).not.toContain('refused');
  });
});

describe('of a vault with a damaged record', () => {
  let damaged: Home;
  beforeAll(async () => {
    damaged = new Home();
    await damaged.makeVault('synced');
    await damaged.json('import', sample('bitwarden.json'), sample('cxf.json'), sample('keepassxc.passkey'));
    damageCredential(damaged.vault);
  });
  afterAll(() => damaged.remove());

  test.each([
    ['backup', []],
    ['export', ['--format', 'cxf']],
  ])('%s writes the others, and does not hide that one stayed out', async (verb, format) => {
    const file = join(damaged.directory, verb);
    const { code, stdout, stderr } = await damaged.run(verb, file, ...format, ...sealing);
    expect(stdout).toContain('wrote 6 ');
    expect(stderr).toContain('error: 1 damaged credential could not be read and stayed out');
    expect(code).toBe(3);
    const [first] = await list(damaged);
    const named = ['export', `${file}1`, first?.id ?? '', '--format', 'cxf', ...sealing];
    expect(await damaged.run(...named)).toMatchObject({ code: 0, stderr: '' });
  });

  test('the JSON of both says what is damaged', async () => {
    for (const [verb, ...format] of [['backup'], ['export', '--format', 'cxf']]) {
      const { code, stdout } = await damaged.run(
        verb ?? '',
        join(damaged.directory, `${verb}2`),
        ...(format ?? []),
        ...sealing,
        '--json',
      );
      expect(JSON.parse(stdout)).toMatchObject({ damaged: [expect.stringContaining('damaged')] });
      expect(code).toBe(3);
    }
  });
});

/** Changes one byte of a sealed credential, in every copy that the file has of it. */
function damageCredential(directory: string): void {
  const file = join(directory, 'data.mdb');
  const bytes = readFileSync(file);
  // The length of a node's key, then the key of a credential. docs/store-format.md
  const place = bytes.lastIndexOf(Uint8Array.of(33, 0, 0x10)) + 2;
  const key = Uint8Array.from(bytes.subarray(place, place + 33));
  for (let at = bytes.indexOf(key); at >= 0; at = bytes.indexOf(key, at + 1)) {
    bytes[at + key.length + 60] = (bytes[at + key.length + 60] ?? 0) ^ 0x40;
  }
  writeFileSync(file, bytes);
}

/** At a low cost. */
function seal(document: object, words = 'of the file'): Promise<Uint8Array> {
  return sealAge(Buffer.from(JSON.stringify(document)), { passphrase: words }, 10);
}
