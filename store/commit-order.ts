// LMDB's opening of a file races with the commits of other processes: it reads the number of the last commit, and later
// stores it in the table that all of them share (lock.mdb), over a newer number that came in between. The next
// transaction would then build on the older state and lose an acknowledged commit. So every transaction first compares
// the shared number with the meta pages, while it holds LMDB's write lock, and mends it.

import { closeSync, openSync, readSync, realpathSync, writeSync } from 'node:fs';

/** MDB_txnbody in lock.mdb: magic (4), format (4), number of the last commit (8). */
const sharedNumberAt = 8;
/** MDB_meta's member mm_txnid, counted from the beginning of its page. */
const metaNumberAt = 152;

/**
 * A process that closes any descriptor of lock.mdb loses the locks that LMDB holds there (POSIX record locks), so there
 * is one descriptor per file, closed with the last vault that uses it.
 */
const lockFiles = new Map<string, { readonly descriptor: number; users: number }>();

export class CommitOrder {
  readonly #lockPath: string;
  readonly #lockFile: number;
  readonly #dataFile: number;
  readonly #pageSize: number;

  /** `lockPath` is there already; `dataFile` is a descriptor of data.mdb. */
  constructor(lockPath: string, dataFile: number, pageSize: number) {
    this.#lockPath = realpathSync(lockPath);
    const shared = lockFiles.get(this.#lockPath) ?? { descriptor: openSync(lockPath, 'r+'), users: 0 };
    shared.users++;
    lockFiles.set(this.#lockPath, shared);
    this.#lockFile = shared.descriptor;
    this.#dataFile = dataFile;
    this.#pageSize = pageSize;
  }

  /**
   * Makes the shared number the number of the last commit. Only within a write transaction.
   * @returns whether it was; if not, the transaction stands on an older state and must be given up.
   */
  mend(): boolean {
    const number = Buffer.alloc(8);
    const read = (file: number, at: number) => {
      readSync(file, number, 0, 8, at);
      return Number(number.readBigUInt64LE());
    };
    const last = Math.max(read(this.#dataFile, metaNumberAt), read(this.#dataFile, this.#pageSize + metaNumberAt));
    if (read(this.#lockFile, sharedNumberAt) === last) return true;
    number.writeBigUInt64LE(BigInt(last));
    writeSync(this.#lockFile, number, 0, 8, sharedNumberAt);
    return false;
  }

  /** Call it when LMDB has closed the environment. */
  close(): void {
    const shared = lockFiles.get(this.#lockPath);
    if (!shared || --shared.users > 0) return;
    lockFiles.delete(this.#lockPath);
    closeSync(shared.descriptor);
  }
}
