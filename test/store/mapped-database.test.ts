import { fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Credential } from '../../ctap/env.ts';
import { openDatabase } from '../../store/database.ts';
import { createVault, type OpenVault, openVault } from '../../store/vault.ts';
import { sampleCredential } from '../support/vault-contract.ts';

const key = { keyFile: Buffer.alloc(32, 7) };
const mebibyte = 1024 * 1024;
const longName = 'x'.repeat(6000);
const count = 5000;

const canTell = existsSync('/proc/self/status');
if (!canTell) console.log('skips the memory of a large vault: no /proc/self/status here');

/** What this process has in memory of files that it has mapped. */
function mapped(): number {
  const [, kibibytes] = /RssFile:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return 1024 * Number(kibibytes);
}

let root: string;
let directory: string;
beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'passfob-mapped-'));
  directory = join(root, 'vault');
  const vault = await createVault(directory, key);
  for (let first = 0; first < count; first += 500) {
    await vault.update((tx) => {
      for (let number = first; number < first + 500; number++) tx.putCredential(large(number));
    });
  }
  await vault.close();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

function large(number: number): Credential {
  const id = createHash('sha256').update(`credential ${number}`).digest();
  const { user } = sampleCredential(0);
  return sampleCredential(0, { id, createdAt: number, user: { ...user, displayName: longName } });
}

const has = (vault: OpenVault, number: number) => vault.credential(large(number).id)?.createdAt === number;

describe.skipIf(!canTell)('a vault of 40 MB', () => {
  let vault: OpenVault;
  let before: number;
  beforeEach(async () => {
    vault = await openVault(directory, key);
    before = mapped();
  });
  afterEach(() => vault.close());

  const listed = () => [...vault.credentials()].length;

  it('can be listed without coming to be in memory', () => {
    expect(listed()).toBe(count);
    expect(mapped() - before).toBeLessThan(26 * mebibyte);
  });

  it('can be looked up in, all over, without coming to be in memory', () => {
    for (let number = 0; number < count; number++) {
      expect(has(vault, number)).toBe(true);
    }
    expect(mapped() - before).toBeLessThan(26 * mebibyte);
  });

  it('takes every change meanwhile, and so does another process', async () => {
    const other = fork(new URL('./mapped-child.mjs', import.meta.url), [directory]);
    await once(other, 'message');
    const last = 300;
    for (let number = 0; number < last; number++) {
      if (number % 2) {
        await vault.update((tx) => tx.deleteCredential(large(number * 16).id));
      } else {
        other.send(Buffer.from(large(number * 16).id).toString('hex'));
        await once(other, 'message');
      }
      expect([has(vault, number * 16), has(vault, number * 16 + 7)]).toEqual([false, true]);
    }
    other.disconnect();
    await once(other, 'exit');
    expect(listed()).toBe(count - last);
  });

  it('is checked whole while others use it', async () => {
    const check = vault.check();
    for (let number = 1; number < count; number += 20) {
      expect(has(vault, number)).toBe(true);
      await new Promise(setImmediate);
    }
    expect(await check).toMatchObject({ damaged: [] });
  });

  it('is not closed in the middle of a change, only afterwards', async () => {
    const { database } = openDatabase(directory);
    const { lmdb } = database;
    expect(lmdb.getKeysCount({})).toBeGreaterThan(count);
    for (const { value } of lmdb.getRange({})) expect(value.length).toBeGreaterThan(0);
    const use = () => {
      for (let times = 0; times < 8; times++) database.used();
    };
    await vault.close(); // It has the same file open.
    database.inTransaction(() => {
      use();
      expect(lmdb.getKeysCount({})).toBeGreaterThan(count);
    });
    use();
    expect(database.lmdb).not.toBe(lmdb);
    await database.close();
    vault = await openVault(directory, key);
  });

  it('says where its file was when that is gone', () => {
    renameSync(directory, `${directory}-moved`);
    try {
      expect(listed).toThrow(
        expect.objectContaining({
          code: 'not-found',
          message: expect.stringContaining(directory),
          hint: expect.any(String),
        }),
      );
      expect(existsSync(directory)).toBe(false);
    } finally {
      renameSync(`${directory}-moved`, directory);
    }
    expect(listed()).toBeGreaterThan(0);
  });
});
