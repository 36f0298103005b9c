// From older formats to the current one, in one transaction at the first unlock. Samples of every format are under
// test/store/samples/.

import { transact } from './database.ts';
import { generationsOf } from './generations.ts';
import type { Header } from './header.ts';
import { readHeader, writeHeader } from './header-store.ts';
import type { Database } from './mapped-database.ts';
import { RecordStore } from './record-store.ts';
import { newSlotId, refusal, slotKeyOf, type Unlock } from './slot-keys.ts';
import { type Slot, slotField, unwrap, wrapRootKey } from './slots.ts';

/**
 * Format 1: one passphrase slot without id and key pair, no authentication of the header, no count of credentials.
 * @throws VaultError `wrong-passphrase` if the passphrase, or another way in, does not open it.
 */
export async function migrateFormat1(database: Database, header: Header, unlock: Unlock): Promise<void> {
  for (const slot of header.slots) {
    const slotKey = 'passphrase' in unlock ? await slotKeyOf(slot, unlock) : undefined;
    const rootKey = slotKey && unwrap(slot, 'passfob vault 1: wrap root key', () => Uint8Array.from(slotKey));
    if (!rootKey) continue;
    try {
      transact(database, 4, () => {
        // Another process may have been faster.
        if (readHeader(database).formatVersion !== 1) return;
        const content = {
          slots: [wrapRootKey(identified(slot), slotKey, rootKey)],
          generation: 0,
          previousKey: undefined,
        };
        writeHeader(database, content, rootKey);
        const records = new RecordStore(database, generationsOf(readHeader(database), rootKey));
        records.recount();
        records.forget();
      });
    } finally {
      for (const key of [rootKey, slotKey]) key.fill(0);
    }
    return;
  }
  throw refusal(unlock);
}

function identified(slot: Slot): Slot {
  return new Map(slot)
    .set(slotField.id, Uint8Array.from(Buffer.from(newSlotId(), 'hex')))
    .set(slotField.createdAt, Date.now());
}
