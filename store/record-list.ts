// Every credential, read in short ranges, so that a list that is taken slowly keeps no state of the database alive: LMDB
// could not use pages again for as long as one does, and the file would grow. A rekeying meanwhile gives records other
// keys; each is shown once all the same.

import type { Credential } from '../ctap/env.ts';
import { copyOf, type Generation, type Generations, wipe } from './generations.ts';
import { hex, lostRecord, recordKey } from './record-keys.ts';
import type { RecordStore } from './record-store.ts';
import { wipeSecrets } from './records.ts';
import { VaultError } from './vault-error.ts';

/** Two milliseconds' work. */
const batchSize = 32;

export interface ListedRecord {
  readonly key: Uint8Array;
  readonly found: Credential | VaultError;
}

/**
 * Those that were there when it began, but for those that are deleted before their turn.
 * @param records the records by the keys of now.
 */
export function* listRecords(records: () => RecordStore): Generator<ListedRecord> {
  const shown = new Shown(records().generations);
  let place: { readonly generation: number; readonly key?: Uint8Array } = { generation: 0 };
  let batch: ListedRecord[] = [];
  try {
    for (;;) {
      const { generations } = records();
      const { current, previous } = generations;
      const generation = previous && previous.number >= place.generation ? previous : current;
      batch = records().openAfter(
        generation,
        generation.number === place.generation ? place.key : undefined,
        batchSize,
      );
      const last = batch.at(-1);
      if (!last && generation === current) break;
      place = last ? { generation: generation.number, key: last.key } : { generation: generation.number + 1 };
      for (let listed = batch.shift(); listed; listed = batch.shift()) {
        if (shown.isNew(listed, generations)) yield listed;
        else wipeFound(listed);
      }
    }
    for (const key of records().lost()) yield { key, found: lostRecord(key) };
  } finally {
    for (const listed of batch) wipeFound(listed);
    shown.forget();
  }
}

/**
 * What a list has shown. As long as nothing is rekeyed, that is all up to a key; a record that moves to other keys later
 * shows by its old key whether it was among them. What is shown from then on is kept by its id.
 */
class Shown {
  readonly #first: Generation | undefined;
  #upTo: Uint8Array = new Uint8Array();
  readonly #ids = new Set<string>();

  constructor({ current, previous }: Generations) {
    // A copy, since the keys are wiped when a rekeying ends.
    this.#first = previous ? undefined : copyOf(current);
  }

  isNew({ key, found }: ListedRecord, { current, previous }: Generations): boolean {
    if (found instanceof VaultError) return true; // It moves nowhere.
    if (!previous && current.number === this.#first?.number) {
      this.#upTo = key;
      return true;
    }
    if (this.#first && Buffer.compare(recordKey(this.#first, found), this.#upTo) <= 0) return false;
    const id = hex(found.id);
    return !this.#ids.has(id) && this.#ids.add(id) !== undefined;
  }

  forget(): void {
    if (this.#first) wipe(this.#first);
  }
}

function wipeFound({ found }: ListedRecord): void {
  if (!(found instanceof VaultError)) wipeSecrets(found);
}
