// A damaged record through the door: what is told, and that the rest stays readable. Disks that refuse.

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { openDatabase, transact } from '../../store/database.ts';
import { checkAllPages, checkMetaPages } from '../../store/pages.ts';
import { decodeCredential, encodeCredential } from '../../store/records.ts';
import { createVault, openVault, VaultError, vaultExists } from '../../store/vault.ts';
import { sampleCredential } from '../support/vault-contract.ts';

const unlock = { passphrase: 'correct horse' };
const isRoot = process.getuid?.() === 0;

let directory: string;
let file: string;
beforeEach(async () => {
  directory = join(mkdtempSync(join(tmpdir(), 'passfob-damage-')), 'vault');
  file = join(directory, 'data.mdb');
  const vault = await createVault(directory, unlock, { scryptLogN: 4 });
  await vault.update((tx) => {
    for (const number of [1, 2, 3]) {
      tx.putCredential(sampleCredential(number, { rpIdHash: new Uint8Array(32).fill(number) }));
    }
  });
  await vault.close();
});
afterEach(() => rmSync(join(directory, '..'), { recursive: true, force: true }));

/** The last copy of a value in the file, told by its beginning, gets one byte changed. */
function damage(start: Uint8Array, offset: number): void {
  const bytes = readFileSync(file);
  let at = -1;
  for (let next = bytes.indexOf(start); next >= 0; next = bytes.indexOf(start, next + 1)) {
    bytes[next + offset] = (bytes[next + offset] ?? 0) ^ 0x40;
    at = next;
  }
  expect(at).toBeGreaterThan(0);
  writeFileSync(file, bytes);
}

it('names a damaged credential, and reads and writes the others', async () => {
  const bytes = readFileSync(file);
  const key = bytes.lastIndexOf(Uint8Array.of(33, 0, 0x10)) + 2; // a node's key length, then the key of a credential
  damage(bytes.subarray(key, key + 33), 33 + 60);
  const vault = await openVault(directory, unlock);
  const entries = [...vault.credentials()];
  expect(entries.filter((entry) => entry instanceof VaultError)).toEqual([
    expect.objectContaining({ code: 'corrupt' }),
  ]);
  const readable = entries.filter((entry) => !(entry instanceof VaultError));
  expect(readable).toHaveLength(2);
  await vault.update((tx) => tx.putCredential(sampleCredential(4)));
  expect(vault.credential(sampleCredential(4).id)).toEqual(sampleCredential(4));
  const asked = [1, 2, 3].filter((number) => {
    try {
      return vault.credential(sampleCredential(number).id) !== undefined;
    } catch (error) {
      return !(error instanceof VaultError);
    }
  });
  expect(asked).toHaveLength(2);
  await vault.close();
});

it.each([
  ['half a surrogate pair', [0xa1, 0x09, 0x63, 0xed, 0xa0, 0xbd]],
  ['no map', [0x01]],
  ['nothing', []],
])('a record that opens and holds %s can be replaced', (_, record) => {
  const credential = sampleCredential(1);
  expect(decodeCredential(encodeCredential(credential, Uint8Array.from(record)))).toEqual(credential);
});

it('tells a vault that may not be read from one that is not there, with its path', async () => {
  chmodSync(join(directory, '..'), 0o755);
  chmodSync(directory, 0);
  // Root may read everything.
  if (isRoot) process.seteuid?.(65_534);
  try {
    for (const look of [async () => vaultExists(directory), () => openVault(directory, unlock)]) {
      await expect(look()).rejects.toMatchObject({ code: 'no-access', message: expect.stringContaining(file) });
    }
  } finally {
    if (isRoot) process.seteuid?.(0);
    chmodSync(directory, 0o700);
  }
});

it('says what it cannot make, and that another place is wanted', async () => {
  const parent = join(directory, '..');
  writeFileSync(join(parent, 'file'), '', { mode: 0o600 });
  mkdirSync(join(parent, 'closed'), { mode: 0o555 });
  chmodSync(parent, 0o755);
  const places: [place: string, message: string][] = [
    [join(parent, 'file'), 'is not a folder'],
    [join(parent, 'file', 'vault'), 'ENOTDIR'],
    ['/proc/none/vault', "mkdir '/proc/none'"],
    [join(parent, 'closed', 'vault'), 'EACCES'],
  ];
  // Root may write everywhere.
  if (isRoot) process.seteuid?.(65_534);
  try {
    for (const [place, message] of places) {
      await expect(createVault(place, unlock, { scryptLogN: 4 })).rejects.toMatchObject({
        message: expect.stringMatching(new RegExp(`${place}.*${message}`)),
        hint: 'name another place with --vault',
      });
    }
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
  expect(statSync(join(parent, 'file')).mode & 0o777).toBe(0o600);
});

it('mends the header from its copy', async () => {
  const intact = readFileSync(file);
  const first = intact.lastIndexOf('passfob\0');
  const bad = Buffer.from(intact);
  bad[first + 30] = (bad[first + 30] ?? 0) ^ 1;
  writeFileSync(file, bad);
  await (await openVault(directory, unlock)).close();
  const vault = await openVault(directory, unlock);
  expect(vault.credentialCount()).toBe(3);
  await vault.close();
});

it('mends the count of credentials', async () => {
  const { database } = openDatabase(directory);
  // As if it had been forgotten with one of the records: the record and its index go, the count stays.
  for (const prefix of [0x10, 0x20]) {
    const range = { start: Uint8Array.of(prefix), end: Uint8Array.of(prefix + 1) };
    for (const key of Array.from(database.lmdb.getKeys(range)))
      transact(database, 1, () => database.lmdb.removeSync(key));
  }
  await database.close();
  const vault = await openVault(directory, unlock);
  expect(vault.credentialCount()).toBe(0);
  await vault.close();
});

it('throws nothing but a VaultError whichever byte of the pages is changed', () => {
  const intact = readFileSync(file);
  const walk = (bytes: Buffer) => {
    for (const _ of checkAllPages(bytes.length, readsOf(bytes)));
  };
  const readsOf = (bytes: Buffer) => (start: number, length: number) => bytes.subarray(start, start + length);
  walk(intact);
  const used = intact.findLastIndex((byte) => byte !== 0) + 1;
  let refused = 0;
  for (let offset = 0; offset < used; offset += 11) {
    const bad = Buffer.from(intact);
    bad[offset] = (bad[offset] ?? 0) ^ 0xff;
    for (const check of [() => walk(bad), () => checkMetaPages(bad.length, readsOf(bad))]) {
      try {
        check();
      } catch (error) {
        refused++;
        if (!(error instanceof VaultError)) throw error;
      }
    }
  }
  expect(refused).toBeGreaterThan(30);
});

it('says that the file is cut short', async () => {
  writeFileSync(file, readFileSync(file).subarray(0, 3 * 4096));
  await expect(openVault(directory, unlock)).rejects.toEqual(expect.objectContaining({ code: 'corrupt' }));
});

it.skipIf(isRoot)('says that the vault belongs to somebody else', async () => {
  chmodSync(file, 0o000);
  await expect(openVault(directory, unlock)).rejects.toEqual(expect.objectContaining({ code: 'no-access' }));
});

it.skipIf(!isRoot)('says that the disk is read-only, to who opens and to who makes a vault', async (context) => {
  try {
    execFileSync('mount', ['--bind', directory, directory], { stdio: 'ignore' });
  } catch {
    return context.skip('this root may not mount');
  }
  try {
    execFileSync('mount', ['-o', 'remount,bind,ro', directory]);
    const readOnly = expect.objectContaining({ code: 'read-only' });
    await expect(openVault(directory, unlock)).rejects.toEqual(readOnly);
    await expect(createVault(join(directory, 'new'), unlock, { scryptLogN: 4 })).rejects.toEqual(readOnly);
  } finally {
    execFileSync('umount', [directory]);
  }
});

it.each(['removed', 'moved', 'replaced'])('acknowledges nothing in a vault whose folder was %s', async (how) => {
  const vault = await openVault(directory, unlock);
  const put = () => vault.update((tx) => tx.putCredential(sampleCredential(4)));
  if (how === 'removed') rmSync(directory, { recursive: true });
  else renameSync(directory, `${directory}-old`);
  if (how === 'replaced') cpSync(`${directory}-old`, directory, { recursive: true });
  await expect(put()).rejects.toEqual(expect.objectContaining({ code: 'not-found' }));
  expect(vault.credential(sampleCredential(4).id)).toBeUndefined();
  expect(vault.credentialCount()).toBe(3);
  if (how === 'moved') {
    renameSync(`${directory}-old`, directory);
    await put();
    expect(vault.credentialCount()).toBe(4);
  }
  await vault.close();
});
