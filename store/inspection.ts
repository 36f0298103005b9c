// Whether records and index fit together, in a whole vault. What one changed byte in a key broke is mended, since what
// belongs together can still be told: names are HMACs, so two that differ in one byte are one.

import { allBehind, allWith, indexOf, keyKind, recordOf } from './record-keys.ts';
import type { RecordStore } from './record-store.ts';

/** Keys that were compared in one go: some milliseconds' work. */
const batchSize = 256;

/** Keys of what does not fit together. */
export interface Misfits {
  /** Records that the index does not name. */
  readonly unindexed: readonly Uint8Array[];
  /** Where the index names a record, and there is none. */
  readonly missing: readonly Uint8Array[];
  /** Of the length of a record's or an index entry's, but neither. */
  readonly strays: readonly Uint8Array[];
}

/** Compares index and records, both ways; opens none. Others may have a turn whenever it yields. */
export function* compareIndex(records: () => RecordStore): Generator<undefined, Misfits> {
  const unindexed: Uint8Array[] = [];
  const missing: Uint8Array[] = [];
  const strays: Uint8Array[] = [];
  let last: Uint8Array | undefined = firstKey;
  while (last) {
    const { database } = records();
    const range: { start: Buffer; end: Buffer; limit: number } = {
      start: allBehind(last, 0).start,
      end: allWith(0xff).end,
      limit: batchSize,
    };
    const keys: Uint8Array[] = Array.from(database.getKeys(range), (key) => Uint8Array.from(key));
    for (const key of keys) {
      const kind = keyKind(key);
      if (kind === 'credential' && !records().isIndexed(key)) unindexed.push(key);
      if (kind === 'stray') strays.push(key);
      if (kind !== 'index entry') continue;
      const named = Uint8Array.from(recordOf(key, database.getBinary(key) ?? key));
      if (!database.doesExist(named)) missing.push(named);
    }
    last = keys.at(-1);
    yield;
  }
  return { unindexed, missing, strays };
}

/**
 * Names intact records in the index, and puts records back whose keys were changed in one byte. Must run inside `transact`.
 * @returns how many it mended.
 */
export function mendIndex(records: RecordStore, { unindexed, missing, strays }: Misfits): number {
  const { database } = records;
  let mended = 0;
  for (const key of unindexed) {
    if (records.isIndexed(key) || !records.opens(key)) continue;
    const entry = indexOf(key);
    const slips = [...missing.map((other) => indexOf(other).key), ...strays].filter((other) =>
      isSlip(other, entry.key),
    );
    for (const slip of slips) if (database.getBinary(slip)?.equals(entry.value)) database.removeSync(slip);
    database.putSync(entry.key, entry.value);
    mended++;
  }
  for (const key of missing) {
    const slip = [...unindexed, ...strays].find((other) => isSlip(other, key));
    const value = slip && database.getBinary(slip);
    // It is sealed for the place where it was.
    if (!value || !records.isMissing(key) || !records.opens(key, value)) continue;
    database.putSync(key, value);
    database.removeSync(slip);
    mended++;
  }
  return mended;
}

/** The keys before are those of the header and of the records that there is one of each. */
const firstKey = Uint8Array.of(0x03);

/** Whether one byte, and no more, was changed. */
function isSlip(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.reduce((count, byte, index) => count + (byte === b[index] ? 0 : 1), 0) === 1;
}
