// The only door to store/: makes and opens a vault. Behind it nobody sees a key, a nonce or the file format.

import { randomBytes } from 'node:crypto';
import type { Credential, CredentialKind, DeviceState, RelyingParty, Vault, VaultTransaction } from '../ctap/env.ts';
import { closeDatabase, createDatabase, type Database, databaseExists, openDatabase, transact } from './database.ts';
import { decodeHeader, encodeHeader } from './header.ts';
import { keyPrefix, RecordStore } from './record-store.ts';
import { deriveKeys, type VaultKeys } from './seal.ts';
import { SignCounter } from './sign-counter.ts';
import { createPassphraseSlot, openSlots, type Slot, type Unlock } from './slots.ts';
import { VaultError } from './vault-error.ts';

export type { Unlock } from './slots.ts';
export { VaultError } from './vault-error.ts';

/** A vault that is unlocked. Several processes may have the same one open; one at a time should sign. */
export interface OpenVault extends Vault {
  readonly directory: string;
  /** Every credential, in no particular order, read one at a time; in place of a damaged one, the error that tells. */
  credentials(): Iterable<Credential | VaultError>;
  /** The last count given out by this process; if there is none, an upper bound of those before. */
  readonly signCount: number;
  /** Reserves signature counts now, so that the first sign-in needs no disk write. */
  reserveSignCounts(): void;
  /** Whether the passphrase opens a slot of this vault. Takes as long as opening. */
  checkPassphrase(passphrase: string): Promise<boolean>;
  /** Gives unused signature counts back and wipes the keys. The vault must not be used afterwards. */
  close(): Promise<void>;
}

const headerKeys = [Uint8Array.of(keyPrefix.header), Uint8Array.of(keyPrefix.headerCopy)] as const;

export function vaultExists(directory: string): boolean {
  return databaseExists(directory);
}

/**
 * Makes a vault in `directory` (created with mode 0700) and opens it.
 * @param options `scryptLogN` lowers the cost of the passphrase, for tests; `credentialKind` is `device-bound` unless given.
 * @throws VaultError `exists`, `foreign` if the folder holds other things, `full`, `read-only`, `no-access`, `io`.
 */
export async function createVault(
  directory: string,
  unlock: Unlock,
  options: { readonly scryptLogN?: number; readonly credentialKind?: CredentialKind } = {},
): Promise<OpenVault> {
  if (vaultExists(directory)) throw new VaultError('exists', `there is a vault in ${directory} already`);
  const rootKey = randomBytes(32);
  const keys = deriveKeys(rootKey);
  const slot = await createPassphraseSlot(rootKey, unlock.passphrase, options.scryptLogN);
  rootKey.fill(0);
  const header = Buffer.from(encodeHeader([slot]));
  await createDatabase(directory, (database) => {
    for (const key of headerKeys) database.lmdb.putSync(key, header);
    const records = new RecordStore(database, keys);
    records.reset(options.credentialKind ?? 'device-bound');
    records.putCounter(0);
  });
  const { database } = openDatabase(directory);
  return new StoredVault(directory, database, keys);
}

/**
 * Opens the vault in `directory`.
 * @throws VaultError `not-found`, `wrong-passphrase`, `foreign`, `corrupt`, `newer-format`, `locked`, `full`,
 *   `read-only`, `no-access`, `io`.
 */
export async function openVault(directory: string, unlock: Unlock): Promise<OpenVault> {
  const { database, fullyChecked } = openDatabase(directory);
  try {
    const rootKey = await openSlots(readSlots(database), unlock);
    const keys = deriveKeys(rootKey);
    rootKey.fill(0);
    const vault = new StoredVault(directory, database, keys);
    if (fullyChecked) vault.verify();
    return vault;
  } catch (error) {
    await closeDatabase(database);
    throw error;
  }
}

/** The slots as a header that is intact has them; if the other is not, it is mended. */
function readSlots(database: Database): readonly Slot[] {
  const headers = headerKeys.map((key) => database.lmdb.getBinary(key) ?? Buffer.alloc(0));
  let firstError: unknown;
  for (const header of headers) {
    try {
      const slots = decodeHeader(header);
      if (!headers.every((other) => other.equals(header))) {
        transact(database, 2, () => {
          for (const key of headerKeys) database.lmdb.putSync(key, header);
        });
      }
      return slots;
    } catch (error) {
      firstError ??= error;
    }
  }
  throw firstError;
}

class StoredVault implements OpenVault {
  readonly directory: string;
  readonly #database: Database;
  readonly #keys: VaultKeys;
  readonly #signCounter: SignCounter;
  #openRecords: RecordStore | undefined;
  #passphraseChecks: Promise<unknown> = Promise.resolve();

  constructor(directory: string, database: Database, keys: VaultKeys) {
    this.directory = directory;
    this.#database = database;
    this.#keys = keys;
    this.#openRecords = new RecordStore(database, keys);
    this.#signCounter = new SignCounter({
      read: () => this.#records.counter(),
      change: (change) =>
        transact(database, 1, () => {
          const before = this.#records.counter();
          const after = change(before);
          if (after !== before) this.#records.putCounter(after);
          return { before, after };
        }),
    });
  }

  credential(id: Uint8Array): Credential | undefined {
    return this.#records.credential(id);
  }

  credentialsOf(rpIdHash: Uint8Array): readonly Credential[] {
    return this.#records.credentialsOf(rpIdHash);
  }

  credentials(): Iterable<Credential | VaultError> {
    return this.#records.credentials();
  }

  credentialCount(): number {
    return this.#records.credentialCount();
  }

  relyingParties(): readonly RelyingParty[] {
    return this.#records.relyingParties();
  }

  get device(): DeviceState {
    return this.#records.device;
  }

  get signCount(): number {
    return this.#signCounter.current;
  }

  nextSignCount(): number {
    return this.#signCounter.next();
  }

  reserveSignCounts(): void {
    this.#signCounter.reserve();
  }

  async update(change: (tx: VaultTransaction) => void): Promise<void> {
    const writes: ((records: RecordStore) => void)[] = [];
    let changes = 0;
    change({
      putCredential: (credential) => {
        const copy = structuredClone(credential);
        changes += 3; // the record, its index, and the place it may move from
        writes.push((records) => records.putCredential(copy));
      },
      deleteCredential: (id) => {
        const copy = Uint8Array.from(id);
        changes += 2;
        writes.push((records) => records.deleteCredential(copy));
      },
      setDevice: (changed) => {
        const copy = structuredClone(changed);
        changes += 1;
        writes.push((records) => records.setDevice(copy));
      },
      reset: () => {
        // All pages of the vault are copied and freed, far fewer than its records.
        changes += 1 + Math.ceil(this.#records.credentialCount() / 8);
        writes.push((records) => records.reset(records.device.credentialKind));
      },
    });
    // The caller goes on first: nothing is to be seen of the change until the promise resolves.
    await Promise.resolve();
    const records = this.#records;
    transact(this.#database, changes, () => {
      for (const write of writes) write(records);
    });
  }

  /** One at a time: each takes 128 MiB, and those that wait end with the vault, not with all of their work. */
  checkPassphrase(passphrase: string): Promise<boolean> {
    const turn = this.#passphraseChecks.then(() => this.#opens(passphrase));
    this.#passphraseChecks = turn.catch(() => undefined);
    return turn;
  }

  async #opens(passphrase: string): Promise<boolean> {
    this.#requireOpen();
    try {
      const rootKey = await openSlots(readSlots(this.#database), { passphrase });
      rootKey.fill(0);
      return true;
    } catch (error) {
      if (error instanceof VaultError && error.code === 'wrong-passphrase') return false;
      throw error;
    }
  }

  /** Opens every record; what is damaged is remembered, so that no later answer leaves it out silently. */
  verify(): void {
    const missing = this.#records.verify();
    if (missing.length > 0) transact(this.#database, missing.length, () => this.#records.reindex(missing));
  }

  async close(): Promise<void> {
    if (!this.#openRecords) return;
    try {
      this.#signCounter.release();
    } finally {
      this.#openRecords.forget();
      this.#openRecords = undefined;
      this.#keys.seal.fill(0);
      this.#keys.names.fill(0);
      await closeDatabase(this.#database);
    }
  }

  get #records(): RecordStore {
    return this.#requireOpen();
  }

  #requireOpen(): RecordStore {
    if (!this.#openRecords) throw new VaultError('io', 'the vault is closed', { hint: 'open it again' });
    return this.#openRecords;
  }
}
