// Unlocking: which slot opens with what is given, and what an open vault keeps of it. It keeps the slot's key, so that it
// finds the root key again by itself when another process renewed it.

import { checkAuthentication, type Header } from './header.ts';
import { changeHeader } from './header-store.ts';
import type { Database } from './mapped-database.ts';
import { raiseCost, refusal, slotKeyOf, type Unlock } from './slot-keys.ts';
import { isRewrapped, slotId, unwrapRootKey, wrapRootKey } from './slots.ts';
import { VaultError } from './vault-error.ts';

/** The way in that an open vault was opened with. */
export interface Way {
  readonly slotId: string;
  /** 32 bytes. */
  readonly slotKey: Uint8Array;
}

/**
 * Tries the slots in turn.
 * @returns the way in and the root key (32 bytes, the caller wipes it).
 * @throws VaultError `wrong-passphrase`, `wrong-phrase`, `wrong-key` if no slot opens; `corrupt`.
 */
export async function openSlots(header: Header, unlock: Unlock): Promise<{ way: Way; rootKey: Uint8Array }> {
  for (const slot of header.slots) {
    const slotKey = await slotKeyOf(slot, unlock);
    const rootKey = slotKey && unwrapRootKey(slot, slotKey);
    if (!rootKey) {
      slotKey?.fill(0);
      continue; // Not this slot's; another may open.
    }
    checkAuthentication(header, rootKey);
    return { way: { slotId: slotId(slot), slotKey }, rootKey };
  }
  throw refusal(unlock);
}

/** @throws VaultError `rekeyed` if the slot is gone, or opens with another key now. */
export function rootKeyBy(header: Header, { slotId: id, slotKey }: Way): Uint8Array {
  const slot = header.slots.find((candidate) => slotId(candidate) === id);
  const rootKey = slot && unwrapRootKey(slot, slotKey);
  if (rootKey) return rootKey;
  throw new VaultError('rekeyed', 'the way in that the vault was opened with is gone');
}

/**
 * Wraps the slot that was just opened anew: after a rekeying by its own key again, and a passphrase at today's cost.
 * @param scryptLogN the least cost of a passphrase.
 * @returns the way in from now on.
 */
export async function renewSlot(
  database: Database,
  header: Header,
  way: Way,
  unlock: Unlock,
  scryptLogN: number,
): Promise<Way> {
  const slot = header.slots.find((candidate) => slotId(candidate) === way.slotId);
  if (!slot) return way;
  const raised = await raiseCost(slot, unlock, scryptLogN);
  if (!raised && !isRewrapped(slot)) return way;
  const renewed = { slotId: way.slotId, slotKey: raised?.slotKey ?? way.slotKey };
  try {
    changeHeader(
      database,
      (current) => rootKeyBy(current, way),
      (current, rootKey) => ({
        ...current,
        slots: current.slots.map((each) =>
          slotId(each) === way.slotId ? wrapRootKey(raised?.draft ?? each, renewed.slotKey, rootKey) : each,
        ),
      }),
    );
    if (raised) way.slotKey.fill(0);
    return renewed;
  } catch (error) {
    raised?.slotKey.fill(0);
    if (error instanceof VaultError) return way; // A full disk is no reason to stay out; next time, then.
    throw error;
  }
}
