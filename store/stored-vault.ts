// A vault that is unlocked: records by the keys of now, signature counts, slots, rekeying. It follows another process that
// renews the keys.

import { setImmediate as otherWork } from 'node:timers/promises';
import type { Credential, DeviceState, RelyingParty, VaultTransaction } from '../ctap/env.ts';
import { checkPages, transact } from './database.ts';
import { type Generations, generationsOf } from './generations.ts';
import { checkAuthentication, type Header } from './header.ts';
import { changeHeader, headerBytes, readHeader, slotsIn } from './header-store.ts';
import { compareIndex, type Misfits, mendIndex } from './inspection.ts';
import type { Database } from './mapped-database.ts';
import { hex } from './record-keys.ts';
import { type ListedRecord, listRecords } from './record-list.ts';
import { RecordStore } from './record-store.ts';
import { deviceSecrets, encodeCredential, secretsOf, wipeAll, wipeSecrets } from './records.ts';
import { type RekeyOptions, type RekeyReport, rekeyVault } from './rekey.ts';
import { deepCopy } from './secrets.ts';
import { SignCounter } from './sign-counter.ts';
import { draftSlot, type NewSlot, refusal, type SlotOptions, type Unlock } from './slot-keys.ts';
import { type SlotInfo, slotId, slotInfo, slotKinds, wrapRootKey } from './slots.ts';
import { openSlots, rootKeyBy, type Way } from './unlock.ts';
import type { CheckReport, DamagedRecord, OpenVault } from './vault.ts';
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
  readonly #lists = new Set<Generator<ListedRecord>>();
  #checks: Promise<unknown> = Promise.resolve();
  /** They hold a state of the database, and end soon after the vault is closed. */
  #pageChecks: Promise<unknown> = Promise.resolve();

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
    return this.#recordsToRead.credential(id);
  }

  credentialsOf(rpIdHash: Uint8Array): readonly Credential[] {
    return this.#recordsToRead.credentialsOf(rpIdHash);
  }

  *credentials(): Iterable<Credential | VaultError> {
    for (const { found } of this.#list()) yield found;
  }

  *#list(): Generator<ListedRecord> {
    const list = listRecords(() => this.#recordsToRead);
    this.#lists.add(list);
    try {
      for (const listed of list) {
        yield listed;
        this.#requireOpen();
      }
    } finally {
      this.#lists.delete(list);
    }
  }

  credentialCount(): number {
    return this.#records.credentialCount();
  }

  /** Damaged records are passed over. */
  relyingParties(): readonly RelyingParty[] {
    const found = new Map<string, RelyingParty>();
    for (const { found: credential } of this.#list()) {
      if (credential instanceof VaultError) continue;
      const { rpId, rpIdHash, rpName } = credential;
      found.set(rpId, { rpId, rpIdHash, ...(rpName !== undefined && { rpName }) });
      wipeSecrets(credential);
    }
    return [...found.values()];
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
    const secrets: Uint8Array[] = [];
    let changes = 0;
    let bytes = maxDeviceBytes; // Its record is written anew with every change.
    try {
      change({
        putCredential: (credential) => {
          const copy = deepCopy(credential);
          secrets.push(...secretsOf(copy));
          changes += 3; // the record, its index, and the place it may move from
          bytes += sizeOf(copy);
          writes.push((records) => records.putCredential(copy));
        },
        deleteCredential: (id) => {
          const copy = Uint8Array.from(id);
          changes += 2;
          writes.push((records) => records.deleteCredential(copy));
        },
        setDevice: (changed) => {
          const copy = deepCopy(changed);
          secrets.push(...deviceSecrets(copy));
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
      transact(
        this.#database,
        changes,
        () => {
          const records = this.#records;
          for (const write of writes) write(records);
        },
        bytes,
      );
    } finally {
      wipeAll(secrets);
    }
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
    try {
      this.#requireOpen();
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

  /** Compares records with index and count, and mends these; what is missing is remembered. */
  verify(): void {
    const comparison = compareIndex(() => this.#records);
    let step = comparison.next();
    for (; !step.done; step = comparison.next()) this.#database.used();
    this.#mend(step.value);
  }

  #mend(misfits: Misfits): number {
    const { unindexed, missing } = misfits;
    let mended = 0;
    if (unindexed.length + missing.length > 0 || this.#records.isMiscounted()) {
      mended = transact(this.#database, 2 * (unindexed.length + missing.length) + 1, () => {
        const records = this.#records;
        const count = mendIndex(records, misfits);
        if (!records.isMiscounted()) return count;
        records.recount();
        return count + 1;
      });
    }
    this.#records.rememberLost(missing);
    return mended;
  }

  async check(): Promise<CheckReport> {
    // First, since LMDB trusts them.
    const pages = checkPages(this.#database, () => this.#requireOpen());
    this.#pageChecks = Promise.allSettled([this.#pageChecks, pages]);
    await pages;
    const comparison = compareIndex(() => this.#records);
    let step = comparison.next();
    for (; !step.done; step = comparison.next()) {
      this.#database.used();
      await otherWork();
    }
    const mended = this.#mend(step.value);
    const damaged: DamagedRecord[] = [];
    let sound = 0;
    for (const { key, found } of this.#list()) {
      if (found instanceof VaultError) {
        const rpId = this.#records.rpIdBeside(key) ?? null;
        damaged.push({ record: hex(key), rpId, message: found.message });
      } else {
        wipeSecrets(found);
        sound++;
      }
      if ((sound + damaged.length) % 32 === 0) await otherWork();
    }
    return { sound, mended, damaged };
  }

  async dropDamaged(damaged: readonly string[]): Promise<number> {
    const keys = damaged.map((record) => Uint8Array.from(Buffer.from(record, 'hex')));
    return transact(this.#database, 2 * keys.length + 1, () => this.#records.drop(keys));
  }

  async close(): Promise<void> {
    if (!this.#openRecords) return;
    try {
      this.#signCounter.release();
    } catch (error) {
      // Nothing is lost but the counts that were not used, as after a crash.
      if (!(error instanceof VaultError)) throw error;
    } finally {
      // Each holds keys.
      for (const list of this.#lists) list.return(undefined);
      this.#openRecords.forget();
      this.#openRecords = undefined;
      this.#way.slotKey.fill(0);
      await this.#pageChecks;
      await this.#database.close();
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

  /** The same for reading outside of transactions, where nothing else is being read. */
  get #recordsToRead(): RecordStore {
    this.#requireOpen();
    this.#database.used();
    return this.#records;
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
    try {
      checkAuthentication(header, rootKey);
      records.adopt(generationsOf(header, rootKey));
    } finally {
      rootKey.fill(0);
    }
  }

  #requireOpen(): RecordStore {
    if (!this.#openRecords) throw new VaultError('io', 'the vault is closed', { hint: 'open it again' });
    return this.#openRecords;
  }
}

/** A large-blob array, and then some. */
const maxDeviceBytes = 32 * 1024;

/** Bytes of a credential in the file, with its seal, its keys, and its index entry. */
function sizeOf(credential: Credential): number {
  const record = encodeCredential(credential);
  record.fill(0);
  return record.length + 160;
}
