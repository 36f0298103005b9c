// A vault that is unlocked: records by the keys of now, signature counts, slots, rekeying. It follows another process that
// renews the keys.

import type { Credential, DeviceState, RelyingParty, VaultTransaction } from '../ctap/env.ts';
import { closeDatabase, type Database, transact } from './database.ts';
import { type Generations, generationsOf } from './generations.ts';
import { checkAuthentication, type Header } from './header.ts';
import { changeHeader, headerBytes, readHeader, slotsIn } from './header-store.ts';
import { RecordStore } from './record-store.ts';
import { type RekeyOptions, type RekeyReport, rekeyVault } from './rekey.ts';
import { SignCounter } from './sign-counter.ts';
import { draftSlot, type NewSlot, refusal, type SlotOptions, type Unlock } from './slot-keys.ts';
import { type SlotInfo, slotId, slotInfo, slotKinds, wrapRootKey } from './slots.ts';
import { openSlots, rootKeyBy, type Way } from './unlock.ts';
import type { OpenVault } from './vault.ts';
import { VaultError } from './vault-error.ts';

export class StoredVault implements OpenVault {
  readonly directory: string;
  readonly #database: Database;
  readonly #way: Way;
  readonly #signCounter: SignCounter;
  #openRecords: RecordStore | undefined;
  /** The header that the keys of `#openRecords` belong to; empty: not compared yet. */
  #knownHeader: Buffer = Buffer.alloc(0);
  /** Lists that are being read. */
  readonly #lists = new Set<Generator<Credential | VaultError>>();
  #checks: Promise<unknown> = Promise.resolve();

  constructor(directory: string, database: Database, generations: Generations, way: Way) {
    this.directory = directory;
    this.#database = database;
    this.#way = way;
    this.#openRecords = new RecordStore(database, generations);
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

  *credentials(): Iterable<Credential | VaultError> {
    const list = this.#records.credentials();
    this.#lists.add(list);
    try {
      for (const entry of list) {
        yield entry;
        this.#requireOpen();
      }
    } finally {
      this.#lists.delete(list);
    }
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
    this.#requireOpen();
    transact(this.#database, changes, () => {
      const records = this.#records;
      for (const write of writes) write(records);
    });
  }

  /** One at a time: a passphrase takes 128 MiB, and those that wait end with the vault, not with all of their work. */
  opensWith(unlock: Unlock): Promise<boolean> {
    const turn = this.#checks.then(() => this.#check(unlock));
    this.#checks = turn.catch(() => undefined);
    return turn;
  }

  async #check(unlock: Unlock): Promise<boolean> {
    this.#requireOpen();
    try {
      const { way, rootKey } = await openSlots(readHeader(this.#database), unlock);
      for (const key of [rootKey, way.slotKey]) key.fill(0);
      return true;
    } catch (error) {
      if (error instanceof VaultError && error.code === refusal(unlock).code) return false;
      throw error;
    }
  }

  slots(): readonly SlotInfo[] {
    this.#requireOpen();
    return slotsIn(readHeader(this.#database));
  }

  get openedWith(): string {
    return this.#way.slotId;
  }

  async addSlot(newSlot: NewSlot, options: SlotOptions = {}): Promise<SlotInfo> {
    const { draft, slotKey } = await draftSlot(newSlot, options);
    this.#requireOpen();
    try {
      this.#changeSlots((slots, rootKey) => [...slots, wrapRootKey(draft, slotKey, rootKey)]);
    } finally {
      slotKey.fill(0);
    }
    return slotInfo(draft);
  }

  removeSlot(id: string): void {
    this.#requireOpen();
    this.#changeSlots((slots) => {
      const others = slots.filter((slot) => slotId(slot) !== id);
      if (others.length === slots.length) throw new VaultError('no-slot', `no slot of the vault has the id ${id}`);
      if (others.some((slot) => slotKinds.some((kind) => kind === slotInfo(slot).kind))) return others;
      throw new VaultError('last-slot', `slot ${id} is the last way to open the vault`);
    });
  }

  #changeSlots(change: (slots: Header['slots'], rootKey: Uint8Array) => Header['slots']): void {
    changeHeader(
      this.#database,
      (header) => rootKeyBy(header, this.#way),
      (header, rootKey) => ({ ...header, slots: change(header.slots, rootKey) }),
    );
  }

  rekey(options: RekeyOptions = {}): Promise<RekeyReport> {
    this.#requireOpen();
    return rekeyVault(
      {
        database: this.#database,
        records: () => this.#records,
        rootKeyOf: (header) => rootKeyBy(header, this.#way),
      },
      options,
    );
  }

  /** Opens every record; what is damaged is remembered, so that no later answer leaves it out silently. */
  verify(): void {
    const repair = this.#records.verify();
    if (repair.unindexed.length === 0 && !repair.miscounted) return;
    transact(this.#database, repair.unindexed.length + 1, () => this.#records.mend(repair));
  }

  async close(): Promise<void> {
    if (!this.#openRecords) return;
    try {
      this.#signCounter.release();
    } catch (error) {
      // Nothing is lost but the counts that were not used, as after a crash.
      if (!(error instanceof VaultError)) throw error;
    } finally {
      // Each holds a key, and a cursor; LMDB crashes on a cursor whose database was closed.
      for (const list of this.#lists) list.return(undefined);
      this.#openRecords.forget();
      this.#openRecords = undefined;
      this.#way.slotKey.fill(0);
      await closeDatabase(this.#database);
    }
  }

  /** With the keys of now: another process may have renewed them. */
  get #records(): RecordStore {
    const records = this.#requireOpen();
    const bytes = headerBytes(this.#database);
    if (!bytes.equals(this.#knownHeader)) {
      this.#follow(records, readHeader(this.#database));
      this.#knownHeader = bytes;
    }
    return records;
  }

  #follow(records: RecordStore, header: Header): void {
    const { current, previous } = records.generations;
    const isSame = header.generation === current.number;
    if (isSame && (header.previousKey !== undefined) === (previous !== undefined)) return;
    if (isSame && !header.previousKey) {
      records.adopt({ current, previous: undefined });
      return;
    }
    const rootKey = rootKeyBy(header, this.#way);
    checkAuthentication(header, rootKey);
    records.adopt(generationsOf(header, rootKey));
    rootKey.fill(0);
  }

  #requireOpen(): RecordStore {
    if (!this.#openRecords) throw new VaultError('io', 'the vault is closed', { hint: 'open it again' });
    return this.#openRecords;
  }
}
