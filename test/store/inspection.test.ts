// Whether records and index fit together: what is mended, what is told, what is dropped, what a restore brings back.

import { closeSync, existsSync, fstatSync, mkdtempSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openDatabase, transact } from '../../store/database.ts';
import type { Database } from '../../store/mapped-database.ts';
import { createVault, type OpenVault, openVault } from '../../store/vault.ts';
import { sampleCredential } from '../support/vault-contract.ts';

const unlock = { keyFile: new Uint8Array(32).fill(7) };
const site = (number: number) => new Uint8Array(32).fill(number);
const all = [1, 2, 3, 4].map((number) =>
  sampleCredential(number, { rpIdHash: site(number % 2), rpId: `${number % 2}.example` }),
);

let root: string;
let directory: string;
beforeEach(async () => {
  root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'passfob-inspection-'));
  directory = join(root, 'vault');
  const vault = await createVault(directory, unlock);
  await put(vault);
  await vault.close();
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(vault: OpenVault, credentials = all): Promise<void> {
  return vault.update((tx) => {
    for (const credential of credentials) tx.putCredential(credential);
  });
}

type Entry = { readonly key: Buffer; readonly value: Buffer };
type Edit = (database: Database['lmdb'], entry: Entry) => void;

/** Changes the first entry whose key begins so. */
async function edit(prefix: number, change: Edit): Promise<void> {
  const { database } = openDatabase(directory);
  const range = { start: Uint8Array.of(prefix), end: Uint8Array.of(prefix + 1), limit: 1 };
  for (const { key, value } of Array.from(database.lmdb.getRange(range))) {
    const entry = { key: Buffer.from(key), value: Buffer.from(value) };
    transact(database, 4, () => change(database.lmdb, entry));
  }
  await database.close();
  await nextTurn();
}

/** LMDB lets go of the state that it read last by a timer. */
const nextTurn = () => setTimeout(0);

async function rawKeys(): Promise<string[]> {
  const { database } = openDatabase(directory);
  const keys = Array.from(database.lmdb.getKeys({}), (key) => Buffer.from(key).toString('hex'));
  await database.close();
  return keys;
}

const flipped = (bytes: Buffer, at: number) => Buffer.from(bytes.with(at, (bytes.at(at) ?? 0) ^ 0x40));
const move =
  (at: number): Edit =>
  (lmdb, { key, value }) => {
    lmdb.removeSync(key);
    lmdb.putSync(flipped(key, at), value);
  };
const flipValue =
  (at: number): Edit =>
  (lmdb, { key, value }) =>
    lmdb.putSync(key, flipped(value, at));
const remove: Edit = (lmdb, { key }) => lmdb.removeSync(key);

const corrupt = expect.objectContaining({ code: 'corrupt' });

/** What of each credential and each site is answered: `true`, or that it is corrupt. */
function readable(vault: OpenVault): unknown[] {
  const answers = [
    ...all.map(
      ({ id }) =>
        () =>
          vault.credential(id)?.id[0] === id[0],
    ),
    ...[0, 1].map((number) => () => vault.credentialsOf(site(number)).length === 2),
    () => vault.credentialCount() === all.length,
  ];
  return answers.map((answer) => {
    try {
      return answer();
    } catch (error) {
      return error;
    }
  });
}

const everything = Array.from({ length: all.length + 3 }, () => true);

describe('one changed byte is mended', () => {
  it.each([
    ['the first byte of the key of a record', 0x10, move(0)],
    ["the relying party's name in the key of a record", 0x10, move(3)],
    ['the name of the credential in the key of a record', 0x10, move(-1)],
    ['the first byte of the key of an index entry', 0x20, move(0)],
    ['the key of an index entry', 0x20, move(3)],
    ['the value of an index entry', 0x20, flipValue(3)],
  ])('in %s, by opening and by a check', async (_, prefix, change) => {
    await edit(prefix, change);
    const opened = await openVault(directory, unlock);
    expect(readable(opened)).toEqual(everything);
    expect(await opened.check()).toEqual({ sound: 4, mended: 0, damaged: [] });
    // As in a vault that is too large to be compared whole when it is opened.
    await edit(prefix, change);
    expect(await opened.check()).toMatchObject({ sound: 4, mended: 1, damaged: [] });
    expect(readable(opened)).toEqual(everything);
    await opened.close();
  });
});

describe('what is lost', () => {
  it.each([
    ['a value that does not open', flipValue(60), 'is damaged'],
    ['a value of an unknown version', flipValue(0), 'is damaged: expected version 1, got 65'],
    ['no value', remove, 'is missing'],
  ])('is told with its relying party, and comes back by a restore: %s', async (_, change, message) => {
    await edit(0x10, change);
    const vault = await openVault(directory, unlock);
    const told = readable(vault).slice(0, -1);
    expect(told.filter((answer) => answer !== true)).toEqual([corrupt, corrupt]);
    const { damaged, ...report } = await vault.check();
    expect(report).toEqual({ sound: 3, mended: 0 });
    const broken = all[told.findIndex((answer) => answer !== true)];
    if (!broken) throw new Error('no credential is damaged');
    expect(damaged).toEqual([
      { record: expect.stringMatching(/^10.{64}$/), rpId: broken.rpId, message: expect.stringContaining(message) },
    ]);
    await put(vault, [broken]);
    expect(readable(vault)).toEqual(everything);
    expect(await vault.check()).toEqual({ sound: 4, mended: 0, damaged: [] });
    await vault.close();
  });

  it('is no longer told of when another process restored or deleted it', async () => {
    await edit(0x10, remove);
    const [daemon, tool] = [await openVault(directory, unlock), await openVault(directory, unlock)];
    const lost = all.find((_, index) => readable(daemon)[index] !== true) ?? all[0];
    await put(tool, lost && [lost]);
    await tool.close();
    await nextTurn();
    expect(readable(daemon)).toEqual(everything);
    await daemon.close();
  });

  it.each([
    ['a value that does not open', flipValue(60)],
    ['no value', remove],
  ])('can be dropped, so that the rest of the site is usable again: %s', async (_, change) => {
    await edit(0x10, change);
    const vault = await openVault(directory, unlock);
    const { credentialStoreState } = vault.device;
    const records = (await vault.check()).damaged.map(({ record }) => record);
    const sound = (await rawKeys()).filter((key) => !records.includes(key));
    expect(await vault.dropDamaged([...records, ...sound])).toBe(1);
    expect(vault.credentialCount()).toBe(3);
    expect([0, 1].map((number) => vault.credentialsOf(site(number)).length).sort()).toEqual([1, 2]);
    expect(vault.device.credentialStoreState).not.toEqual(credentialStoreState);
    expect(await vault.check()).toEqual({ sound: 3, mended: 0, damaged: [] });
    expect(await vault.dropDamaged(records)).toBe(0);
    await vault.close();
  });

  it('is told where nothing else of its relying party tells whose it is', async () => {
    const lonely = sampleCredential(5, { rpIdHash: site(5) });
    for (const { id } of all) {
      const vault = await openVault(directory, unlock);
      await vault.update((tx) => tx.deleteCredential(id));
      await vault.close();
    }
    const vault = await openVault(directory, unlock);
    await put(vault, [lonely]);
    await edit(0x10, flipValue(60));
    expect(await vault.check()).toMatchObject({ sound: 0, damaged: [{ rpId: null }] });
    await vault.close();
  });
});

describe('a file that is too large to be checked when it is opened', () => {
  /** Records of a megabyte each, on overflow pages. */
  const large = [11, 12, 13, 14, 15].map((number) =>
    sampleCredential(number, { user: { id: Uint8Array.of(1), name: 'x'.repeat(1_000_000) } }),
  );
  let vault: OpenVault;
  beforeEach(async () => {
    vault = await openVault(directory, unlock);
    await put(vault, large);
    await vault.close();
    vault = await openVault(directory, unlock);
  });

  it('has all its pages checked by a check, also while others write', async () => {
    const check = vault.check();
    const tool = await openVault(directory, unlock);
    for (let round = 0; round < 2; round++) {
      for (const credential of large) await put(tool, [credential]);
      await nextTurn();
    }
    expect(await check).toEqual({ sound: all.length + large.length, mended: 0, damaged: [] });
    await tool.close();
    await vault.close();
  });

  it('is refused by a check where one byte of a page is changed', async () => {
    const file = openSync(join(directory, 'data.mdb'), 'r+');
    const kind = Buffer.alloc(2);
    const pages = Array.from({ length: fstatSync(file).size / 4096 }, (_, page) => page * 4096);
    const overflow = pages.filter((at) => readSync(file, kind, 0, 2, at + 18) === 2 && kind[0] === 4 && kind[1] === 0);
    for (const at of overflow) writeSync(file, Uint8Array.of(0xff), 0, 1, at + 21);
    closeSync(file);
    expect(overflow.length).toBeGreaterThan(large.length - 1);
    await expect(vault.check()).rejects.toEqual(corrupt);
    await vault.close();
  });

  it('can be closed while it is checked', async () => {
    const check = expect(vault.check()).rejects.toThrow('the vault is closed');
    await new Promise(setImmediate);
    await vault.close();
    await check;
  });
});

it('lets others have a turn while a check goes on, also to close the vault', async () => {
  const vault = await openVault(directory, unlock);
  const check = expect(vault.check()).rejects.toThrow('the vault is closed');
  await vault.close();
  await check;
});
