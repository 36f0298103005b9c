// Renewing the root key: a new generation begins in one transaction, then records are moved to it a few at a time, then
// the old key is forgotten. Each step is one transaction and finds by itself where the one before ended, so that whatever
// ends the process leaves a vault that opens, works, and can be rekeyed to the end.

import { randomBytes } from 'node:crypto';
import { setImmediate as otherWork } from 'node:timers/promises';
import { transact } from './database.ts';
import { generationsOf, sealPreviousKey, wipeAllOf } from './generations.ts';
import { checkAuthentication, type Header } from './header.ts';
import { changeHeader, readHeader, writeHeader } from './header-store.ts';
import type { Database } from './mapped-database.ts';
import type { RecordStore } from './record-store.ts';
import { rewrapRootKey } from './slots.ts';
import { VaultError } from './vault-error.ts';

export interface RekeyOptions {
  onProgress?(moved: number, total: number): void;
  /** Forget records that are damaged; otherwise they keep the old key alive, and the rekeying is refused at its end. */
  readonly dropDamaged?: boolean;
}

export interface RekeyReport {
  /** Whether it finished a rekeying that was cut short, instead of beginning one. */
  readonly resumed: boolean;
  /** Damaged records that were dropped. */
  readonly dropped: number;
}

/** What rekeying needs of an open vault. */
export interface Rekeyable {
  readonly database: Database;
  rootKeyOf(header: Header): Uint8Array;
  /** The records by the keys of now. */
  records(): RecordStore;
}

/** Few enough that a sign-in beside it does not wait long. */
const batchSize = 32;

export async function rekeyVault(vault: Rekeyable, options: RekeyOptions): Promise<RekeyReport> {
  const { generation, resumed } = begin(vault);
  const total = vault.records().credentialCount();
  let after: Uint8Array | undefined;
  let moved = 0;
  do {
    options.onProgress?.(Math.min(moved, total), total);
    const batch = transact(vault.database, 4 * batchSize, () =>
      isUnderWay(vault, generation) ? vault.records().moveToCurrent(batchSize, after) : done,
    );
    moved += batch.moved;
    after = batch.last;
    await otherWork();
  } while (after);
  options.onProgress?.(total, total);
  return { resumed, dropped: finish(vault, generation, options.dropDamaged ?? false) };
}

const done = { moved: 0, last: undefined };

/**
 * Whether records are still being moved to this generation. Another process may have come to the end, and begun the next
 * rekeying: what it has not moved yet must not be taken for damaged.
 */
function isUnderWay({ database }: Rekeyable, generation: number): boolean {
  const header = readHeader(database);
  return header.generation === generation && header.previousKey !== undefined;
}

/** Makes the new root key, unless a rekeying is under way. */
function begin(vault: Rekeyable): { readonly generation: number; readonly resumed: boolean } {
  const { database } = vault;
  return transact(database, 4, () => {
    const header = readHeader(database);
    if (header.previousKey) return { generation: header.generation, resumed: true };
    const rootKey = vault.rootKeyOf(header);
    const newRootKey = randomBytes(32);
    try {
      checkAuthentication(header, rootKey);
      const generation = header.generation + 1;
      const content = {
        // Their own keys are not at hand; each slot takes the new root key under its key pair.
        slots: header.slots.map((slot) => rewrapRootKey(slot, newRootKey)),
        generation,
        previousKey: sealPreviousKey(rootKey, newRootKey, generation),
      };
      const records = vault.records();
      writeHeader(database, content, newRootKey);
      const generations = generationsOf({ ...header, ...content }, newRootKey);
      records.moveSingles(generations);
      wipeAllOf(generations);
      return { generation, resumed: false };
    } finally {
      rootKey.fill(0);
      newRootKey.fill(0);
    }
  });
}

function finish(vault: Rekeyable, generation: number, dropDamaged: boolean): number {
  const { database } = vault;
  return transact(database, 4, () => {
    if (!isUnderWay(vault, generation)) return 0;
    const records = vault.records();
    const damaged = records.leftBehind();
    if (damaged > 0 && !dropDamaged) {
      throw new VaultError('corrupt', `${damaged} damaged records cannot be rekeyed, so the old key is still needed`, {
        hint: 'everything else has the new key; to forget the damaged records, add --drop-damaged',
      });
    }
    records.dropPrevious();
    changeHeader(
      database,
      (header) => vault.rootKeyOf(header),
      (header) => ({ ...header, previousKey: undefined }),
    );
    return damaged;
  });
}
