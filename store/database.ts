// The LMDB file under the vault: made, checked, opened, with errors in our own words. Transactions are synchronous:
// LMDB then tells of a failed commit where it happens, and a commit is one fdatasync and one O_DSYNC meta page.

import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { open, type RootDatabase } from 'lmdb';
import { checkAllPages, checkMetaPages } from './pages.ts';
import { translateErrors, VaultError } from './vault-error.ts';

export type Database = RootDatabase<Buffer, Uint8Array>;

const dataFile = 'data.mdb';
const lockFile = 'lock.mdb';

/** Up to this size the whole file is checked before it is opened; beyond it only what has a constant cost. */
const fullCheckBytes = 4 * 1024 * 1024;

/** Virtual, not resident: room for over a million credentials without ever moving the map. */
const mapBytes = 1024 * 1024 * 1024;

export function databaseExists(directory: string): boolean {
  return existsSync(join(directory, dataFile));
}

/**
 * Makes the file of a vault: whole under its name, or not at all.
 * @param fill writes the first records.
 * @throws VaultError `exists`, `full`, `read-only`, `no-access`, `io`.
 */
export async function createDatabase(directory: string, fill: (database: Database) => void): Promise<void> {
  const workshop = translateErrors(() => {
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    chmodSync(directory, 0o700);
    return mkdtempSync(join(directory, '.new-'));
  });
  try {
    const database = openLmdb(workshop);
    try {
      // LMDB keeps two meta pages; the second commit makes both of them describe this vault.
      transact(database, () => fill(database));
      transact(database, () => fill(database));
    } finally {
      await database.close();
    }
    translateErrors(() => {
      if (databaseExists(directory)) throw new VaultError('exists', `there is a vault in ${directory} already`);
      renameSync(join(workshop, dataFile), join(directory, dataFile));
      for (const folder of [directory, dirname(directory)]) syncFolder(folder);
    });
  } finally {
    rmSync(workshop, { recursive: true, force: true });
  }
}

/**
 * Opens the file of a vault after its pages were checked.
 * @returns also whether the file was small enough that all of its pages were.
 * @throws VaultError `not-found`, `foreign`, `corrupt`, `read-only`, `no-access`, `locked`, `full`, `io`.
 */
export function openDatabase(directory: string): { database: Database; fullyChecked: boolean } {
  return translateErrors(() => {
    if (!databaseExists(directory)) throw new VaultError('not-found', `there is no vault in ${directory}`);
    tighten(directory);
    const fullyChecked = checkFile(join(directory, dataFile));
    return { database: openLmdb(directory), fullyChecked };
  });
}

/**
 * Runs `change` in one transaction, on the disk when this returns, undone if it throws.
 * @throws what `change` throws; VaultError `full`, `read-only`, `io` if the commit fails.
 */
export function transact<T>(database: Database, change: () => T): T {
  return translateErrors(() => database.transactionSync(change));
}

function openLmdb(directory: string): Database {
  return translateErrors(() => {
    // LMDB would make its files readable to the group; what is there already keeps its mode.
    for (const file of [dataFile, lockFile]) closeSync(openSync(join(directory, file), 'a', 0o600));
    return open<Buffer, Uint8Array>({
      path: directory,
      noSubdir: false,
      encoding: 'binary',
      keyEncoding: 'binary',
      overlappingSync: false,
      mapSize: mapBytes,
    });
  });
}

/** Our own folder and files are for their owner only, whatever they were copied from. */
function tighten(directory: string): void {
  const modes = [
    [directory, 0o700],
    [join(directory, dataFile), 0o600],
    [join(directory, lockFile), 0o600],
  ] as const;
  for (const [path, mode] of modes) {
    const state = statSync(path, { throwIfNoEntry: false });
    if (state && (state.mode & 0o077) !== 0 && state.uid === process.geteuid?.()) chmodSync(path, mode);
  }
}

/** Another process may commit while we look: a complaint counts only if the file did not change meanwhile. */
function checkFile(path: string): boolean {
  for (;;) {
    const before = readFile(path);
    try {
      if (before.isWhole) checkAllPages(before.bytes);
      else checkMetaPages(before.bytes, before.size);
      return before.isWhole;
    } catch (error) {
      if (readFile(path).bytes.equals(before.bytes)) throw error;
    }
  }
}

function readFile(path: string): { bytes: Buffer; size: number; isWhole: boolean } {
  const file = openSync(path, 'r');
  try {
    const { size } = fstatSync(file);
    const bytes = Buffer.alloc(Math.min(size, fullCheckBytes));
    for (let length = 0; length < bytes.length; ) {
      const count = readSync(file, bytes, length, bytes.length - length, length);
      if (count === 0) throw new VaultError('corrupt', `${basename(path)} became shorter while it was read`);
      length += count;
    }
    return { bytes, size, isWhole: size <= fullCheckBytes };
  } finally {
    closeSync(file);
  }
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
