// The LMDB file under the vault: made, checked, opened, changed, with errors in our own words. Transactions are
// synchronous: LMDB then tells of a failed commit where it happens, and a commit is one fdatasync and one O_DSYNC meta page.

import {
  chmodSync,
  closeSync,
  existsSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { setImmediate as otherWork } from 'node:timers/promises';
import { ABORT } from 'lmdb';
import { Database, dataFile, lockFile } from './mapped-database.ts';
import { checkAllPages, checkMetaPages, metaPagesBytes, type ReadBytes } from './pages.ts';
import { translateErrors, VaultError } from './vault-error.ts';

/** A creation that was cut short leaves such a folder behind. */
const workshopPrefix = '.new-';
const mebibyte = 1024 * 1024;

/** Up to this size the whole file is checked before it is opened; beyond it only what has a constant cost. */
const fullCheckBytes = 4 * mebibyte;

/** Some milliseconds' work. */
const pagesAtOnce = 64;

/** Pages behind the last one that are kept for the next commits. */
const sparePages = 64;

/** One change of a record copies at most these pages: its path and a split in two places, and free lists. */
const pagesPerChange = 16;

/** @throws VaultError `no-access` if this user may not look. */
export function databaseExists(directory: string): boolean {
  return translateErrors(() => {
    try {
      statSync(join(directory, dataFile));
      return true;
    } catch (error) {
      if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return false;
      throw error;
    }
  });
}

/**
 * Makes the file of a vault: whole under its name, or not at all.
 * @param fill writes the first records.
 * @throws VaultError `exists`, `foreign`, `full`, `read-only`, `no-access`, `io`.
 */
export async function createDatabase(directory: string, fill: (database: Database) => void): Promise<void> {
  const workshop = prepareFolder(directory);
  try {
    translateErrors(() => probeRoom(workshop));
    const database = translateErrors(() => new Database(workshop));
    try {
      // LMDB keeps two meta pages; the second commit makes both of them describe this vault.
      transact(database, 8, () => fill(database));
      transact(database, 8, () => fill(database));
    } finally {
      await database.close();
    }
    translateErrors(() => {
      nameFile(join(workshop, dataFile), join(directory, dataFile));
      for (const folder of [directory, dirname(directory)]) syncFolder(folder);
    });
  } finally {
    rmSync(workshop, { recursive: true, force: true });
  }
}

/** A link, unlike a new name, does not take the place of what another process has made meanwhile. */
function nameFile(from: string, to: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    if (existsSync(to)) throw new VaultError('exists', `there is a vault in ${dirname(to)} already`, { cause: error });
    // There are file systems without links, each with an error of its own.
    renameSync(from, to);
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
    return { database: new Database(directory), fullyChecked };
  });
}

/**
 * Runs `change` in one transaction, on the disk when this returns, undone if it throws.
 * @param changes how many records it puts or removes at most.
 * @param bytes of what it puts, about.
 * @throws what `change` throws; VaultError `full`, `read-only`, `not-found`, `io` if it cannot be committed.
 */
export function transact<T>(database: Database, changes: number, change: () => T, bytes = 1024 * changes): T {
  let isAmple = false;
  const result = translateErrors(() =>
    database.inTransaction(() => {
      database.requirePlace();
      isAmple = makeRoom(database, changes, bytes);
      return change();
    }),
  );
  if (isAmple) giveRoomBack(database);
  database.used();
  return result;
}

/**
 * Gives the file the blocks that a transaction may need before LMDB writes to it: a write that fails half-way inside
 * LMDB damages its memory. Must run inside the transaction, where no other process can write to the same place.
 * @returns whether that was much for new records, of which some is probably left over; copies give way to one another.
 */
function makeRoom({ lmdb, file }: Database, changes: number, bytes: number): boolean {
  const { lastPageNumber, pageSize } = lmdb.getStats() as { lastPageNumber: number; pageSize: number };
  // Many changes meet on the same pages: no more copies than there are pages. New ones are a third full at least.
  const copies = Math.min(pagesPerChange * (changes + 1), lastPageNumber + sparePages);
  const newPages = Math.ceil((3 * bytes) / pageSize);
  const needed = (lastPageNumber + 1 + copies + newPages) * pageSize;
  let { size } = fstatSync(file);
  if (size >= needed) return false;
  // Pages of what was removed can be used again once nobody reads them: those who were killed do not.
  lmdb.readerCheck();
  const zeros = Buffer.alloc(64 * pageSize);
  while (size < needed) {
    size += writeSync(file, zeros, 0, zeros.length, size);
  }
  return newPages > 4 * sparePages;
}

/** Only within the write lock, where nobody makes room meanwhile. No state has pages behind those of the last commit. */
function giveRoomBack({ lmdb, file, order }: Database): void {
  try {
    lmdb.transactionSync(() => {
      if (order.mend()) {
        const { lastPageNumber, pageSize } = lmdb.getStats() as { lastPageNumber: number; pageSize: number };
        const kept = (lastPageNumber + 1 + sparePages) * pageSize;
        if (fstatSync(file).size > kept) ftruncateSync(file, kept);
      }
      return ABORT;
    });
  } catch {
    // The change is on the disk; the room stays for the next one.
  }
}

/** The vault's folder, for its owner only, and one in it where the vault is made. Returns the path of the latter. */
function prepareFolder(directory: string): string {
  try {
    return translateErrors(() => {
      makeFolder(directory);
      refuseForeignFolder(directory);
      chmodSync(directory, 0o700);
      return mkdtempSync(join(directory, workshopPrefix));
    });
  } catch (error) {
    if (!(error instanceof VaultError) || error.code === 'foreign') throw error;
    const reason = error.cause instanceof Error ? error.cause.message : error.message;
    throw new VaultError(error.code, `cannot make the vault ${directory}: ${reason}`, {
      cause: error,
      hint: 'name another place with --vault',
    });
  }
}

/** Not with Node's `recursive`, which calls a read-only disk a missing folder, and never ends under /proc. */
function makeFolder(path: string): void {
  if (existsSync(path)) return;
  makeFolder(dirname(path));
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    // Made by another process in this moment.
    if (!existsSync(path)) throw error;
  }
}

/** A folder that others may enter is about to be closed to them, so it must hold nothing else: not a home, not /tmp. */
function refuseForeignFolder(directory: string): void {
  const state = statSync(directory);
  if (!state.isDirectory()) {
    throw new VaultError('foreign', `${directory} is not a folder`, { hint: 'name another place with --vault' });
  }
  if ((state.mode & 0o077) === 0) return;
  const other = readdirSync(directory).find(
    (name) => ![dataFile, lockFile].includes(name) && !name.startsWith(workshopPrefix),
  );
  if (other === undefined) return;
  throw new VaultError('foreign', `${directory} is open to others and holds other things, ${other} for one`, {
    hint: 'name an empty folder, or one that is not there yet, with --vault; nothing was changed',
  });
}

/** LMDB's first write to a new file cannot be prepared for: see whether the disk has room for it. */
function probeRoom(folder: string): void {
  const path = join(folder, 'room');
  writeFileSync(path, Buffer.alloc(mebibyte));
  rmSync(path);
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
  const file = openSync(path, 'r');
  try {
    for (;;) {
      const { size } = fstatSync(file);
      const isWhole = size <= fullCheckBytes;
      const whole = isWhole ? readBytes(file, 0, size) : undefined;
      const read: ReadBytes = (start, length) =>
        whole?.subarray(start, start + length) ?? readBytes(file, start, length);
      const metaPages = read(0, metaPagesBytes);
      try {
        if (isWhole) for (const _ of checkAllPages(size, read));
        else checkMetaPages(size, read);
        return isWhole;
      } catch (error) {
        const compared = whole ?? metaPages;
        if (readBytes(file, 0, compared.length).equals(compared)) throw error;
      }
    }
  } finally {
    closeSync(file);
  }
}

/**
 * Checks every page of the last commit, whatever the size of the file, with a turn for others after every few. The
 * database must not be closed before it is done.
 * @param goOn called after each turn; ends the check by throwing.
 * @throws VaultError `corrupt` if a page is damaged.
 */
export function checkPages(database: Database, goOn: () => void): Promise<void> {
  return database.hold(async () => {
    const { lmdb, file } = database;
    // As long as this state is held, LMDB uses no page of it, nor of later ones, for anything else.
    const state = lmdb.useReadTransaction();
    try {
      const metaPages = readBytes(file, 0, metaPagesBytes);
      const read: ReadBytes = (start, length) =>
        start === 0 ? metaPages : translateErrors(() => readBytes(file, start, length));
      let pages = 0;
      for (const _ of checkAllPages(fstatSync(file).size, read)) {
        if (++pages % pagesAtOnce !== 0) continue;
        await otherWork();
        goOn();
      }
    } finally {
      state.done();
    }
  });
}

/** Fewer than `length` where the file ends. */
function readBytes(file: number, start: number, length: number): Buffer {
  const bytes = Buffer.alloc(length);
  for (let done = 0; done < length; ) {
    const count = readSync(file, bytes, done, length - done, start + done);
    if (count === 0) return bytes.subarray(0, done);
    done += count;
  }
  return bytes;
}

function syncFolder(path: string): void {
  const folder = openSync(path, 'r');
  try {
    fsyncSync(folder);
  } finally {
    closeSync(folder);
  }
}
