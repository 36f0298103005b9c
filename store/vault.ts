// The only door to store/: makes and opens a vault. Behind it nobody sees a key, a nonce or the file format.

import { randomBytes } from 'node:crypto';
import type { Credential, CredentialKind, Vault } from '../ctap/env.ts';
import { createDatabase, databaseExists, openDatabase } from './database.ts';
import { generationsOf } from './generations.ts';
import { formatVersion } from './header.ts';
import { readAndMendHeader, readHeader, slotsIn, writeHeader } from './header-store.ts';
import { migrateFormat1 } from './migrations.ts';
import { RecordStore } from './record-store.ts';
import type { RekeyOptions, RekeyReport } from './rekey.ts';
import { draftSlot, type NewSlot, type SlotOptions, type Unlock } from './slot-keys.ts';
import { type SlotInfo, slotId, wrapRootKey } from './slots.ts';
import { StoredVault } from './stored-vault.ts';
import { openSlots, renewSlot } from './unlock.ts';
import { VaultError } from './vault-error.ts';

export { wipeSecrets } from './records.ts';
export { looksLikeRecoveryPhrase, newRecoveryPhrase } from './recovery-phrase.ts';
export type { RekeyOptions, RekeyReport } from './rekey.ts';
export { defaultScryptLogN, type NewSlot, newSlotId, type SlotOptions, type Unlock } from './slot-keys.ts';
export type { SlotInfo } from './slots.ts';
export { VaultError } from './vault-error.ts';

/** A vault that is unlocked. Several processes may have the same one open; one at a time should sign. */
export interface OpenVault extends Vault {
  readonly directory: string;
  /**
   * Every credential that was there when the first was read, in no particular order, read a few at a time; in place of a
   * damaged one, the error that tells. Who takes them may overwrite their secrets.
   */
  credentials(): Iterable<Credential | VaultError>;
  /** The last count given out by this process; if there is none, an upper bound of those before. */
  readonly signCount: number;
  /** Reserves signature counts now, so that the first sign-in needs no disk write. */
  reserveSignCounts(): void;
  /** Whether this opens a slot of the vault. Takes as long as opening. */
  opensWith(unlock: Unlock): Promise<boolean>;
  /** The ways to open this vault, as they are now. */
  slots(): readonly SlotInfo[];
  /** The id of the slot that it was opened with. */
  readonly openedWith: string;
  /** Another way in. Beware of key files that are no secret: their content is not stretched. */
  addSlot(newSlot: NewSlot, options?: SlotOptions): Promise<SlotInfo>;
  /**
   * A way in less, for this vault; copies that were made before open as they did.
   * @throws VaultError `no-slot` if there is none with this id, `last-slot` if no other is left.
   */
  removeSlot(id: string): void;
  /**
   * Renews the root key and seals every record anew, or goes on with that if it was cut short. Whoever has the vault open
   * goes on working meanwhile. Cost grows with the vault.
   * @throws VaultError `corrupt` at the end if damaged records are left, unless they are to be dropped.
   */
  rekey(options?: RekeyOptions): Promise<RekeyReport>;
  /**
   * Opens every record and compares the index and the count with them, a few at a time, with a turn for others in between.
   * Index and count are mended.
   */
  check(): Promise<CheckReport>;
  /**
   * Forgets those of these records of credentials that are damaged, so that the others of their relying parties can be
   * used again. @returns how many.
   */
  dropDamaged(records: readonly string[]): Promise<number>;
  /** Gives unused signature counts back and wipes the keys. The vault must not be used afterwards. */
  close(): Promise<void>;
}

export interface DamagedRecord {
  /** Its key, hexadecimal: where it stands in the vault. */
  readonly record: string;
  /** Null if no undamaged credential of the same relying party is there to tell. */
  readonly rpId: string | null;
  readonly message: string;
}

export interface CheckReport {
  /** Credentials that open. */
  readonly sound: number;
  /** How many entries of index and count were wrong, and are right now. */
  readonly mended: number;
  readonly damaged: readonly DamagedRecord[];
}

/** @throws VaultError `no-access` if this user may not look. */
export function vaultExists(directory: string): boolean {
  return databaseExists(directory);
}

/**
 * The slots of a vault that is locked: what may open it.
 * @throws VaultError as `openVault`, but for keys.
 */
export async function readSlots(directory: string): Promise<readonly SlotInfo[]> {
  const { database } = openDatabase(directory);
  try {
    return slotsIn(readHeader(database));
  } finally {
    await database.close();
  }
}

/**
 * Makes a vault in `directory` (created with mode 0700) and opens it.
 * @param options `scryptLogN` lowers the cost of the passphrase, for tests; `credentialKind` is `device-bound` unless given.
 * @throws VaultError `exists`, `foreign` if the folder holds other things, `full`, `read-only`, `no-access`, `io`.
 */
export async function createVault(
  directory: string,
  newSlot: NewSlot,
  options: SlotOptions & { readonly credentialKind?: CredentialKind } = {},
): Promise<OpenVault> {
  if (vaultExists(directory)) throw new VaultError('exists', `there is a vault in ${directory} already`);
  const { draft, slotKey } = await draftSlot(newSlot, options);
  const rootKey = randomBytes(32);
  const content = { slots: [wrapRootKey(draft, slotKey, rootKey)], generation: 0, previousKey: undefined };
  try {
    await createDatabase(directory, (database) => {
      writeHeader(database, content, rootKey);
      const records = new RecordStore(database, generationsOf(readHeader(database), rootKey));
      records.reset(options.credentialKind ?? 'device-bound');
      records.putCounter(0);
      records.forget();
    });
    const { database } = openDatabase(directory);
    const generations = generationsOf(readHeader(database), rootKey);
    return new StoredVault(directory, database, generations, { slotId: slotId(draft), slotKey });
  } finally {
    rootKey.fill(0);
  }
}

/**
 * Opens the vault in `directory`; one of an older format becomes one of today's.
 * @param options `scryptLogN`: the passphrase's slot is wrapped anew if it has a lower cost.
 * @throws VaultError `not-found`, `wrong-passphrase`, `wrong-phrase`, `wrong-key`, `foreign`, `corrupt`, `newer-format`,
 *   `locked`, `full`, `read-only`, `no-access`, `io`.
 */
export async function openVault(
  directory: string,
  unlock: Unlock,
  { scryptLogN = 0 }: Pick<SlotOptions, 'scryptLogN'> = {},
): Promise<OpenVault> {
  const { database, fullyChecked } = openDatabase(directory);
  try {
    const found = readAndMendHeader(database);
    if (found.formatVersion < formatVersion) await migrateFormat1(database, found, unlock);
    const header = readHeader(database);
    const { way, rootKey } = await openSlots(header, unlock);
    const generations = generationsOf(header, rootKey);
    rootKey.fill(0);
    const renewed = await renewSlot(database, header, way, unlock, scryptLogN);
    const vault = new StoredVault(directory, database, generations, renewed);
    if (fullyChecked) vault.verify();
    return vault;
  } catch (error) {
    await database.close();
    throw error;
  }
}
