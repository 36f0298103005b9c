// The LMDB file of one vault while it is open, and how it stays small in memory: LMDB maps the whole file, and around each
// page that is touched the kernel maps those that it has in its cache. A process that lives long would come to hold all of
// a large vault, so the file is closed after a while and opened anew when it is needed next.

import { closeSync, fstatSync, openSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { ABORT, open, type RootDatabase } from 'lmdb';
import { CommitOrder } from './commit-order.ts';
import { translateErrors, VaultError } from './vault-error.ts';

export type Lmdb = RootDatabase<Buffer, Uint8Array>;

export const dataFile = 'data.mdb';
export const lockFile = 'lock.mdb';

const mebibyte = 1024 * 1024;

/** Virtual, not resident: room for over a million credentials without ever moving the map. */
const mapBytes = 1024 * mebibyte;

/** So much of the file may be mapped beyond what is touched at once. */
const mappedBytes = 16 * mebibyte;

/** How often that is looked at: a commit touches some ten pages in places of their own, a page brings 64 KiB along. */
const usesBetween = 8;

export class Database {
  /** Path of the data file. */
  readonly path: string;
  /** Descriptor of the data file, for making room in it. */
  readonly file: number;
  readonly order: CommitOrder;
  readonly #directory: string;
  #lmdb: Lmdb | undefined;
  #uses = 0;
  #mappedBefore = 0;
  /** Transactions and long readings that are under way. */
  #holders = 0;

  /** Makes the files where there are none. @throws what Node and LMDB throw. */
  constructor(directory: string) {
    this.#directory = directory;
    // LMDB would make its files readable to the group; what is there already keeps its mode.
    for (const name of [dataFile, lockFile]) createFile(join(directory, name));
    const { pageSize } = this.#open().getStats() as { pageSize: number };
    this.path = join(directory, dataFile);
    this.file = openSync(this.path, 'r+');
    this.order = new CommitOrder(join(directory, lockFile), this.file, pageSize);
    this.#catchUp();
  }

  /** To be asked for anew after `used`. @throws VaultError if the file cannot be opened any more. */
  get lmdb(): Lmdb {
    return this.#lmdb ?? translateErrors(() => this.#openAgain());
  }

  /** Begins anew until the transaction stands on the last commit; see `CommitOrder`. @throws what `change` throws. */
  inTransaction<T>(change: () => T): T {
    // To close the file in the middle of it would leave its lock taken for good.
    this.#holders++;
    try {
      for (;;) {
        let result: { readonly value: T } | undefined;
        this.lmdb.transactionSync(() => {
          if (!this.order.mend()) return ABORT;
          result = { value: change() };
          return undefined;
        });
        if (result) return result.value;
      }
    } finally {
      this.#holders--;
    }
  }

  /** A file without its name still takes every commit, and loses them all when the last program closes it. */
  requirePlace(): void {
    const [named, held] = [statSync(this.path, { throwIfNoEntry: false }), fstatSync(this.file)];
    if (named?.ino === held.ino && named.dev === held.dev) return;
    const what = named ? 'replaced by another' : 'removed or moved';
    throw new VaultError('not-found', `the file of the vault was ${what}: ${this.path}`, {
      hint: 'put the folder back, or restore a backup and start passfob again',
    });
  }

  /** Call it after each use, where nothing is being read: what was taken from `lmdb` is not valid afterwards. */
  used(): void {
    if (this.#holders > 0 || ++this.#uses % usesBetween !== 0) return;
    if (fstatSync(this.file).size <= mappedBytes || residentOfFiles() - this.#mappedBefore <= mappedBytes) return;
    void this.#lmdb?.close(); // At once, since nothing is being written.
    this.#lmdb = undefined;
  }

  /** Runs what reads for long; the file stays open meanwhile. */
  async hold<T>(read: () => Promise<T>): Promise<T> {
    this.#holders++;
    try {
      return await read();
    } finally {
      this.#holders--;
    }
  }

  async close(): Promise<void> {
    await this.#lmdb?.close();
    closeSync(this.file);
    this.order.close();
  }

  #open(): Lmdb {
    this.#mappedBefore = residentOfFiles();
    this.#lmdb = open<Buffer, Uint8Array>({
      path: this.#directory,
      noSubdir: false,
      encoding: 'binary',
      keyEncoding: 'binary',
      overlappingSync: false,
      mapSize: mapBytes,
    });
    return this.#lmdb;
  }

  #openAgain(): Lmdb {
    // LMDB would make a new file where there is none.
    this.requirePlace();
    const lmdb = this.#open();
    try {
      this.#catchUp();
    } catch (error) {
      void lmdb.close();
      this.#lmdb = undefined;
      throw error;
    }
    return lmdb;
  }

  /** Before anybody reads what this opening may have made old. */
  #catchUp(): void {
    this.inTransaction(() => undefined);
  }
}

/** Bytes of files that are mapped into this process and in memory; 0 where the system does not tell. */
function residentOfFiles(): number {
  try {
    const [, kibibytes] = /^RssFile:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
    return 1024 * Number(kibibytes ?? 0);
  } catch {
    return 0;
  }
}

/** Does not open a file that is there: see `CommitOrder` for what closing it would do. */
function createFile(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
}
