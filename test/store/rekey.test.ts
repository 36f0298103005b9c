// Renewing the root key: cut short at every step, beside others who have the vault open, with damage in the way; and what
// it is for: who had the old key has nothing of the new vault.

import { cpSync, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Credential } from '../../ctap/env.ts';
import { openDatabase, transact } from '../../store/database.ts';
import { readHeader } from '../../store/header-store.ts';
import type { Database } from '../../store/mapped-database.ts';
import { createVault, type OpenVault, openVault, VaultError } from '../../store/vault.ts';
import { sampleCredential } from '../support/vault-contract.ts';

const failure = vi.hoisted(() => ({ after: Number.POSITIVE_INFINITY }));
vi.mock('../../store/database.ts', async (original) => {
  const database = await original<typeof import('../../store/database.ts')>();
  return {
    ...database,
    transact: (...args: Parameters<typeof database.transact>) => {
      if (failure.after-- === 0) throw new Error('power cut');
      return database.transact(...args);
    },
  };
});

const passphrase = { passphrase: 'correct horse' };
const keyFile = { keyFile: new Uint8Array(32).fill(7) };
const count = 70;
const all = Array.from({ length: count }, (_, index) =>
  sampleCredential(index + 1, { rpIdHash: new Uint8Array(32).fill(index % 3) }),
);

let root: string;
let directory: string;
beforeEach(async () => {
  failure.after = Number.POSITIVE_INFINITY;
  root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'passfob-rekey-'));
  directory = join(root, 'vault');
  const vault = await createVault(directory, passphrase, { scryptLogN: 2 });
  await vault.addSlot(keyFile);
  await put(vault, ...all);
  for (let i = 0; i < 5; i++) vault.nextSignCount();
  await vault.close();
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(vault: OpenVault, ...credentials: Credential[]): Promise<void> {
  return vault.update((tx) => {
    for (const credential of credentials) tx.putCredential(credential);
  });
}

function credentialsIn(vault: OpenVault): Credential[] {
  const found = [...vault.credentials()].filter((entry): entry is Credential => !(entry instanceof VaultError));
  return found.sort((a, b) => a.createdAt - b.createdAt);
}

/** Every way of reading gives exactly these. */
function expectCredentials(vault: OpenVault, expected: readonly Credential[]): void {
  expect(vault.credentialCount()).toBe(expected.length);
  // Not with toEqual, which takes its time for so many bytes.
  const found = expected.map(({ id }) => vault.credential(id));
  const sites = [0, 1, 2].map((site) => vault.credentialsOf(new Uint8Array(32).fill(site)));
  const expectedOf = (site: number) => expected.filter(({ rpIdHash }) => rpIdHash[0] === site).toReversed();
  expect(isDeepStrictEqual([credentialsIn(vault), found], [expected, expected])).toBe(true);
  expect(isDeepStrictEqual(sites, [0, 1, 2].map(expectedOf))).toBe(true);
}

async function look<T>(use: (database: Database) => T): Promise<T> {
  const { database } = openDatabase(directory);
  try {
    return use(database);
  } finally {
    await database.close();
  }
}

const rawKeys = () => look(({ lmdb }) => Array.from(lmdb.getKeys({}), (key) => Buffer.from(key).toString('hex')));

describe('rekeying', () => {
  it('gives every record another seal and another name, and keeps what they say', async () => {
    const before = await look(({ lmdb }) =>
      Array.from(lmdb.getRange({}), ({ key, value }) => [Buffer.from(key), Buffer.from(value)]),
    );
    const vault = await openVault(directory, passphrase);
    const progress: [number, number][] = [];
    const device = vault.device;
    const report = await vault.rekey({ onProgress: (...step) => progress.push(step) });
    expect(report).toEqual({ resumed: false, dropped: 0 });
    expect(progress).toEqual([0, 32, 64, 70, 70].map((moved) => [moved, count]));
    expectCredentials(vault, all);
    expect(vault.device).toEqual(device);
    expect(vault.signCount).toBe(5);
    await vault.close();
    const after = await look(({ lmdb }) =>
      Array.from(lmdb.getRange({}), ({ key, value }) => [Buffer.from(key), Buffer.from(value)]),
    );
    expect(after).toHaveLength(before.length);
    const seen = new Set(before.flat().map((bytes) => bytes.toString('hex')));
    const kept = after.flat().filter((bytes) => bytes.length > 1 && seen.has(bytes.toString('hex')));
    expect(kept).toEqual([]);
  });

  it('leaves all ways in, over and over', async () => {
    for (const unlock of [passphrase, keyFile, passphrase, passphrase, keyFile]) {
      const vault = await openVault(directory, unlock);
      await vault.rekey();
      expectCredentials(vault, all);
      await vault.close();
    }
    expect(await look((database) => readHeader(database).generation)).toBe(5);
  });

  it('wraps for key pairs, and each slot by its own key again when it is used next', async () => {
    const rewrapped = () => look((database) => readHeader(database).slots.map((slot) => slot.has(9)));
    const vault = await openVault(directory, keyFile);
    await vault.rekey();
    expect(await rewrapped()).toEqual([true, true]);
    await (await openVault(directory, passphrase)).close();
    expect(await rewrapped()).toEqual([false, true]);
    await (await openVault(directory, keyFile)).close();
    expect(await rewrapped()).toEqual([false, false]);
    expectCredentials(vault, all);
    await vault.close();
  });

  it('can be cut short after every step: the vault opens and works, and the rest is done later', {
    timeout: 120_000,
  }, async () => {
    const pristine = join(root, 'pristine');
    cpSync(directory, pristine, { recursive: true });
    let isComplete = false;
    let steps = 0;
    for (; !isComplete; steps++) {
      rmSync(directory, { recursive: true });
      cpSync(pristine, directory, { recursive: true });
      const victim = await openVault(directory, passphrase);
      failure.after = steps;
      isComplete = await victim.rekey().then(
        () => true,
        () => false,
      );
      failure.after = Number.POSITIVE_INFINITY;
      // As it goes on without being opened again, and as another finds it.
      expectCredentials(victim, all);
      await victim.close();
      const vault = await openVault(directory, steps % 2 === 0 ? keyFile : passphrase);
      expectCredentials(vault, all);
      const extra = sampleCredential(200 + steps, { rpIdHash: new Uint8Array(32).fill(steps % 3) });
      await put(vault, extra);
      await vault.update((tx) => tx.deleteCredential(all[0]?.id ?? extra.id));
      await vault.update((tx) => tx.deleteCredential(all[69]?.id ?? extra.id));
      expectCredentials(vault, [...all.slice(1, -1), extra]);
      const wasBegun = await look((database) => readHeader(database).previousKey !== undefined);
      expect(wasBegun).toBe(steps > 0 && !isComplete);
      expect((await vault.rekey()).resumed).toBe(wasBegun);
      expectCredentials(vault, [...all.slice(1, -1), extra]);
      expect(await look((database) => readHeader(database).previousKey)).toBeUndefined();
      await vault.close();
    }
    expect(steps).toBeGreaterThan(6);
    const prefixes = new Set((await rawKeys()).map((key) => key.slice(0, 2)));
    expect([...prefixes].sort()).toEqual(['00', '01', '02', '03', '10', '20']);
  });

  it('goes on beside a daemon that registers, renames, deletes and signs in all the while', async () => {
    const daemon = await openVault(directory, keyFile);
    const tool = await openVault(directory, passphrase);
    const expected = new Map(all.map((credential) => [credential.createdAt, credential]));
    const work: Promise<void>[] = [];
    let step = 0;
    let lastCount = daemon.nextSignCount();
    await tool.rekey({
      onProgress: () => {
        step++;
        const added = sampleCredential(100 + step, { rpIdHash: new Uint8Array(32).fill(step % 3) });
        const renamed = { ...(all[step] ?? added), user: { id: Uint8Array.of(1), name: `renamed ${step}` } };
        const deleted = all[69 - step] ?? added;
        const lists = [...daemon.credentials()];
        expect(lists).toHaveLength(daemon.credentialCount());
        work.push(
          put(daemon, added, renamed).then(async () => {
            await daemon.update((tx) => tx.deleteCredential(deleted.id));
            expected.set(added.createdAt, added).set(renamed.createdAt, renamed).delete(deleted.createdAt);
            expect(daemon.credential(renamed.id)).toEqual(renamed);
            const next = daemon.nextSignCount();
            expect(next).toBeGreaterThan(lastCount);
            lastCount = next;
          }),
        );
      },
    });
    await Promise.all(work);
    expect(step).toBeGreaterThan(3);
    const left = [...expected.values()].sort((a, b) => a.createdAt - b.createdAt);
    for (const vault of [daemon, tool]) expectCredentials(vault, left);
    // And once more while neither was opened again.
    await daemon.rekey();
    for (const vault of [daemon, tool]) expectCredentials(vault, left);
    await tool.close();
    await daemon.close();
  });

  it('done by two at once is done once, or twice, and nothing else', async () => {
    const vaults = [await openVault(directory, keyFile), await openVault(directory, passphrase)];
    await Promise.all(vaults.map((vault) => vault.rekey()));
    for (const vault of vaults) {
      expectCredentials(vault, all);
      await vault.close();
    }
  });

  it.each([0, 32, 64])(
    'shows each credential once in a list that is read from before to after it (at %i)',
    async (at) => {
      const [reader, tool] = [await openVault(directory, keyFile), await openVault(directory, passphrase)];
      const list = reader.credentials()[Symbol.iterator]();
      const seen: (Credential | VaultError)[] = [];
      const read = (most: number) => {
        for (let next = list.next(); !next.done; next = list.next()) {
          seen.push(next.value);
          if (--most === 0) return;
        }
      };
      await tool.rekey({
        onProgress: (moved) => {
          if (moved >= at) read(15);
          reader.credential(all[0]?.id ?? new Uint8Array()); // It follows to the new keys.
        },
      });
      await new Promise(setImmediate);
      reader.credential(all[0]?.id ?? new Uint8Array());
      read(count);
      expect(seen.map((entry) => (entry instanceof VaultError ? entry.message : entry.createdAt)).sort()).toEqual(
        all.map(({ createdAt }) => createdAt),
      );
      await reader.close();
      await tool.close();
    },
  );

  it('done by two over and over takes nothing of the other for damaged', async () => {
    const vaults = [await openVault(directory, passphrase), await openVault(directory, keyFile)];
    await Promise.all(
      vaults.map(async (vault) => {
        for (let i = 0; i < 4; i++) expect(await vault.rekey({ dropDamaged: true })).toMatchObject({ dropped: 0 });
      }),
    );
    for (const vault of vaults) {
      expectCredentials(vault, all);
      await vault.close();
    }
  });

  it('keeps a reset that comes in its midst', async () => {
    const vault = await openVault(directory, keyFile);
    const resets: Promise<void>[] = [];
    await vault.rekey({
      onProgress: (moved) => {
        if (moved === 32) resets.push(vault.update((tx) => tx.reset()));
      },
    });
    await Promise.all(resets);
    expectCredentials(vault, []);
    await vault.close();
  });

  it('tells a daemon whose way in was removed', async () => {
    const daemon = await openVault(directory, keyFile);
    const tool = await openVault(directory, passphrase);
    tool.removeSlot(daemon.openedWith);
    expectCredentials(daemon, all);
    await tool.rekey();
    expect(() => daemon.credential(new Uint8Array(32))).toThrow(expect.objectContaining({ code: 'rekeyed' }));
    await expect(put(daemon, sampleCredential(1))).rejects.toEqual(expect.objectContaining({ code: 'rekeyed' }));
    await daemon.close().catch(() => undefined);
    expectCredentials(tool, all);
    await tool.close();
  });
});

describe('who knows the old key', () => {
  it('opens nothing of the new vault with an old header and a passphrase that was removed', async () => {
    const old = await look(({ lmdb }) => Buffer.from(lmdb.getBinary(Uint8Array.of(0)) ?? ''));
    const owner = await openVault(directory, keyFile);
    const [stolen] = owner.slots();
    owner.removeSlot(stolen?.id ?? '');
    await owner.rekey();
    await put(owner, sampleCredential(200));
    await owner.close();
    await look((database) =>
      transact(database, 2, () => {
        for (const key of [0, 1]) database.lmdb.putSync(Uint8Array.of(key), old);
      }),
    );
    const thief = await openVault(directory, passphrase);
    expect(credentialsIn(thief)).toEqual([]);
    expect(thief.credential(sampleCredential(200).id)).toBeUndefined();
    expect(() => thief.device).toThrow(expect.objectContaining({ code: 'corrupt' }));
    await thief.close().catch(() => undefined);
  });

  it('cannot slip a way in into the header without it, to be given the next key', async () => {
    const forged = await look((database) => {
      const header = readHeader(database);
      const [slot] = header.slots;
      return { ...header, slots: [...header.slots, new Map(slot).set(8, new Uint8Array(32).fill(1))] };
    });
    const { encodeHeader } = await import('../../store/header.ts');
    const bytes = Buffer.from(encodeHeader(forged, new Uint8Array(32)));
    const owner = await openVault(directory, keyFile);
    await look((database) =>
      transact(database, 2, () => {
        for (const key of [0, 1]) database.lmdb.putSync(Uint8Array.of(key), bytes);
      }),
    );
    await expect(owner.rekey()).rejects.toEqual(expect.objectContaining({ code: 'corrupt' }));
    await owner.close();
    await expect(openVault(directory, keyFile)).rejects.toEqual(expect.objectContaining({ code: 'corrupt' }));
  });
});

describe('damaged records', () => {
  /** Damages one sealed credential, and takes another away from under its name. */
  const damage = (at = 60) =>
    look((database) =>
      transact(database, 4, () => {
        const range = { start: Uint8Array.of(0x10), end: Uint8Array.of(0x11), limit: 2 };
        const [first, second] = Array.from(database.lmdb.getRange(range), ({ key, value }) => ({
          key: Uint8Array.from(key),
          value: Buffer.from(value),
        }));
        if (!first || !second) throw new Error('the vault is empty');
        first.value[at] = (first.value[at] ?? 0) ^ 1;
        database.lmdb.putSync(first.key, first.value);
        database.lmdb.removeSync(second.key);
      }),
    );
  const told = (vault: OpenVault) => [...vault.credentials()].filter((entry) => entry instanceof VaultError).length;

  it('hold up the end of a rekeying, and are told of as before; all others have the new key', async () => {
    await damage();
    const vault = await openVault(directory, keyFile);
    expect(told(vault)).toBe(2);
    await expect(vault.rekey()).rejects.toEqual(expect.objectContaining({ code: 'corrupt' }));
    expect([told(vault), credentialsIn(vault).length]).toEqual([2, 68]);
    await vault.close();
    const again = await openVault(directory, passphrase);
    expect([told(again), credentialsIn(again).length]).toEqual([2, 68]);
    expect((await rawKeys()).filter((key) => key.startsWith('11'))).toHaveLength(68);
    await again.close();
  });

  it.each([0, 60])('are dropped if told so (byte %i)', async (at) => {
    await damage(at);
    const vault = await openVault(directory, keyFile);
    expect(await vault.rekey({ dropDamaged: true })).toEqual({ resumed: false, dropped: 2 });
    expect([told(vault), credentialsIn(vault).length, vault.credentialCount()]).toEqual([0, 68, 68]);
    await vault.close();
  });
});
