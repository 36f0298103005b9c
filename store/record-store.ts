// Sealed records in the database: which key a record stands under, how credentials are found, what is done about a
// damaged one. Reads see the last commit; writes must run inside `transact`. While a rekeying is under way, credentials
// stand in two generations: each is in one, and moves from the previous to the current one only.

import { randomBytes } from 'node:crypto';
import { factoryDeviceState } from '../ctap/device-state.ts';
import type { Credential, CredentialKind, DeviceState } from '../ctap/env.ts';
import { type Generation, type Generations, wipe } from './generations.ts';
import type { Database, Lmdb } from './mapped-database.ts';
import {
  allBehind,
  allWith,
  besides,
  concat,
  counterKey,
  credentialPrefix,
  deviceKey,
  hex,
  indexOf,
  indexPrefix,
  isCredentialKey,
  lostRecord,
  recordKey,
  recordOf,
} from './record-keys.ts';
import type { ListedRecord } from './record-list.ts';
import {
  decodeCounter,
  decodeCredential,
  decodeDevice,
  deviceSecrets,
  encodeCounter,
  encodeCredential,
  encodeDevice,
  secretsOf,
  wipeAll,
  wipeSecrets,
} from './records.ts';
import { nameOf, openRecord, sealRecord } from './seal.ts';
import { GivenOut } from './secrets.ts';
import { openCredential, unlessCorrupt, whatIsRead } from './unless-damaged.ts';
import { VaultError } from './vault-error.ts';

/** Records that stay open in memory. */
const maxRecent = 64;

export class RecordStore {
  readonly #database: Database;
  #generations: Generations;
  readonly #recent = new Map<string, { readonly sealed: Buffer; readonly credential: Credential }>();
  /** Keys, hexadecimal, that the index named and no record stood under when they were last compared. */
  #lost: readonly string[] = [];
  readonly #givenOut = new GivenOut();
  #device: { sealed: Buffer; state: DeviceState; credentialCount: number } | undefined;

  constructor(database: Database, generations: Generations) {
    this.#database = database;
    this.#generations = generations;
  }

  /** To be asked for anew in each turn. */
  get database(): Lmdb {
    return this.#database.lmdb;
  }

  get generations(): Generations {
    return this.#generations;
  }

  /** Goes on with other keys; those that are not among them are wiped. */
  adopt(generations: Generations): void {
    const kept = [generations.current, generations.previous];
    for (const generation of this.#oldestFirst()) if (!kept.includes(generation)) wipe(generation);
    this.#generations = generations;
  }

  credential(id: Uint8Array): Credential | undefined {
    const place = this.#find(id);
    return place && this.#openCredential(place.generation, place.key, this.#sealed(place.key));
  }

  /** @throws VaultError if a credential of this relying party is damaged: a part would be a wrong answer. */
  credentialsOf(rpIdHash: Uint8Array): Credential[] {
    const found: Credential[] = [];
    for (const generation of this.#oldestFirst()) {
      const range = allWith(credentialPrefix(generation), nameOf(generation.keys.names, 'rpIdHash', rpIdHash));
      const prefix = hex(range.start);
      for (const { key, value } of this.database.getRange(range)) {
        found.push(this.#openCredential(generation, key, value));
      }
      const lost = this.lost().find((key) => hex(key).startsWith(prefix));
      if (lost) throw lostRecord(lost);
    }
    return found.sort((a, b) => b.createdAt - a.createdAt);
  }

  /** What was opened lately is not opened again as long as it is sealed the same: sites are visited over and over. */
  #openCredential({ keys }: Generation, key: Uint8Array, sealed: Buffer): Credential {
    const name = Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
    const known = this.#recent.get(name);
    if (known?.sealed.equals(sealed)) return known.credential;
    const credential = openCredential(keys.seal, key, sealed);
    this.#givenOut.add(secretsOf(credential));
    if (this.#recent.size >= maxRecent) this.#recent.clear();
    this.#recent.set(name, { sealed: Buffer.from(sealed), credential });
    return credential;
  }

  /** Wipes the keys, and the secrets that were given out. */
  forget(): void {
    this.#recent.clear();
    this.#device = undefined;
    this.#givenOut.wipe();
    for (const generation of this.#oldestFirst()) wipe(generation);
  }

  /** Credential records of a generation, in the order of their keys, from behind the key `after`: opened, not kept. */
  openAfter(generation: Generation, after: Uint8Array | undefined, limit: number): ListedRecord[] {
    const range = { ...allBehind(after, credentialPrefix(generation)), limit };
    return Array.from(this.database.getRange(range), ({ key, value }) => ({
      key: Uint8Array.from(key),
      found: whatIsRead(() => openCredential(generation.keys.seal, key, value)),
    }));
  }

  /** Keys of records that are known to be missing. */
  lost(): Uint8Array[] {
    return this.#lost.map((key) => Uint8Array.from(Buffer.from(key, 'hex'))).filter((key) => this.isMissing(key));
  }

  /** From now on their relying parties' credentials are not listed as if these had never been. */
  rememberLost(keys: readonly Uint8Array[]): void {
    this.#lost = keys.map(hex);
  }

  /** Kept in the device record, so that it costs the same in every vault. */
  credentialCount(): number {
    return this.#deviceRecord().credentialCount;
  }

  get device(): DeviceState {
    return this.#deviceRecord().state;
  }

  #deviceRecord(): { state: DeviceState; credentialCount: number } {
    const sealed = this.#sealed(deviceKey);
    if (!this.#device?.sealed.equals(sealed)) {
      const record = openRecord(this.#generations.current.keys.seal, deviceKey, sealed);
      this.#device = { sealed, ...decodeDevice(record) };
      record.fill(0);
      this.#givenOut.add(deviceSecrets(this.#device.state));
    }
    return this.#device;
  }

  counter(): number {
    return decodeCounter(this.#open(counterKey));
  }

  putCredential(credential: Credential): void {
    const { current } = this.#generations;
    const before = this.#find(credential.id);
    const previous = before && this.#tryOpen(before.generation, before.key);
    const counted = before ? this.#remove(before.key) : 0;
    const record = encodeCredential(credential, previous);
    this.#put(current, recordKey(current, credential), record);
    for (const plaintext of [record, previous]) plaintext?.fill(0);
    this.#credentialsChanged(1 - counted);
  }

  deleteCredential(id: Uint8Array): void {
    const place = this.#find(id);
    if (place) this.#credentialsChanged(-this.#remove(place.key));
  }

  /**
   * Counts, and renews what a platform notices by that its list of credentials is out of date. CTAP 2.3 §6.4,
   * encCredStoreState.
   */
  #credentialsChanged(difference: number): void {
    this.#changeDevice({ credentialStoreState: randomBytes(16) }, difference);
  }

  setDevice(change: Partial<DeviceState>): void {
    this.#changeDevice(change, 0);
  }

  #changeDevice(change: Partial<DeviceState>, difference: number): void {
    const previous = this.#open(deviceKey);
    const { state, credentialCount } = decodeDevice(previous);
    this.#putDevice({ ...state, ...change }, credentialCount + difference, previous);
    wipeAll(deviceSecrets(state));
  }

  /** Factory state: what is unknown in the device record goes, too; the counter stays. */
  reset(credentialKind: CredentialKind): void {
    for (const generation of this.#oldestFirst()) this.#clear(generation);
    const state = factoryDeviceState(randomBytes, credentialKind);
    this.#putDevice(state, 0);
    wipeAll(deviceSecrets(state));
  }

  putCounter(reserved: number): void {
    this.#putSealed(this.#generations.current, counterKey, encodeCounter(reserved));
  }

  /** Whether the index names the record under this key. */
  isIndexed(key: Uint8Array): boolean {
    const entry = indexOf(key);
    return this.database.getBinary(entry.key)?.equals(entry.value) ?? false;
  }

  /** Whether the index names a record under this key, and there is none. */
  isMissing(key: Uint8Array): boolean {
    return this.isIndexed(key) && !this.database.doesExist(key);
  }

  /** Whether a value is the credential record that was sealed for this key. */
  opens(key: Uint8Array, value = this.database.getBinary(key)): boolean {
    const generation = this.#oldestFirst().find((each) => credentialPrefix(each) === key[0]);
    const record = generation && this.#tryOpen(generation, key, value);
    const credential = record && unlessCorrupt(() => decodeCredential(record));
    if (credential) wipeSecrets(credential);
    record?.fill(0);
    return credential !== undefined;
  }

  /** The RP ID of a record, by what its relying party's other ones say; undefined if none of them opens. */
  rpIdBeside(key: Uint8Array): string | undefined {
    const generation = this.#oldestFirst().find((each) => credentialPrefix(each) === key[0]);
    if (!generation) return undefined;
    for (const { key: other, value } of this.database.getRange(besides(key))) {
      const found = whatIsRead(() => openCredential(generation.keys.seal, other, value));
      if (found instanceof VaultError) continue;
      wipeSecrets(found);
      return found.rpId;
    }
    return undefined;
  }

  /** Removes those of these that are records that do not open, or names of missing ones; returns how many. */
  drop(keys: readonly Uint8Array[]): number {
    const isThere = (key: Uint8Array) => this.database.doesExist(key) || this.isMissing(key);
    const damaged = keys.filter((key) => isCredentialKey(key) && isThere(key) && !this.opens(key));
    for (const key of damaged) this.#remove(key);
    if (damaged.length > 0) {
      this.#credentialsChanged(0);
      this.recount();
    }
    return damaged.length;
  }

  /** Counts the records and keeps the number. Cost grows with the vault. */
  recount(): void {
    this.#changeDevice({}, this.#countRecords() - this.credentialCount());
  }

  isMiscounted(): boolean {
    try {
      return this.credentialCount() !== this.#countRecords();
    } catch (error) {
      if (error instanceof VaultError) return false; // The device record is damaged, which is told where it is read.
      throw error;
    }
  }

  #countRecords(): number {
    const counts = this.#oldestFirst().map((each) => this.database.getKeysCount(allWith(credentialPrefix(each))));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Seals the records that there is one of each under the keys to come; these are not adopted yet. */
  moveSingles({ current }: Generations): void {
    for (const key of [deviceKey, counterKey]) this.#putSealed(current, key, this.#open(key));
  }

  /**
   * Moves credentials of the previous generation to the current one, up to `limit` of them, from behind the key `after`.
   * Damaged ones stay where they are.
   * @returns the last key that was looked at; undefined if there are no more.
   */
  moveToCurrent(limit: number, after: Uint8Array | undefined): { moved: number; last: Uint8Array | undefined } {
    const { current, previous } = this.#generations;
    if (!previous) return { moved: 0, last: undefined };
    const range = { ...allBehind(after, credentialPrefix(previous)), limit };
    const entries = Array.from(this.database.getRange(range), ({ key, value }) => ({
      key: Uint8Array.from(key),
      value: Buffer.from(value),
    }));
    let moved = 0;
    for (const { key, value } of entries) {
      const record = this.#tryOpen(previous, key, value);
      const credential = record && unlessCorrupt(() => decodeCredential(record));
      if (!credential) continue;
      this.#remove(key);
      this.#put(current, recordKey(current, credential), record);
      wipeSecrets(credential);
      record.fill(0);
      moved++;
    }
    return { moved, last: entries.at(-1)?.key };
  }

  /** How many entries of the previous generation cannot be moved: records and names of records. */
  leftBehind(): number {
    const { previous } = this.#generations;
    if (!previous) return 0;
    const count = (prefix: number) => this.database.getKeysCount(allWith(prefix));
    return Math.max(count(credentialPrefix(previous)), count(indexPrefix(previous)));
  }

  /** Removes what is left of the previous generation. */
  dropPrevious(): void {
    const { previous } = this.#generations;
    if (!previous || this.leftBehind() === 0) return;
    this.#clear(previous);
    this.recount();
  }

  #oldestFirst(): readonly Generation[] {
    const { current, previous } = this.#generations;
    return previous ? [previous, current] : [current];
  }

  /** Where the index says that the credential stands. */
  #find(id: Uint8Array): Place | undefined {
    for (const generation of this.#oldestFirst()) {
      const idName = nameOf(generation.keys.names, 'credentialId', id);
      const rpName = this.database.getBinary(concat(indexPrefix(generation), idName));
      if (rpName) return { generation, key: recordOf(concat(indexPrefix(generation), idName), rpName) };
    }
    return undefined;
  }

  #put(generation: Generation, key: Uint8Array, record: Uint8Array): void {
    const entry = indexOf(key);
    this.database.putSync(key, Buffer.from(sealRecord(generation.keys.seal, key, record)));
    this.database.putSync(entry.key, entry.value);
  }

  /** Removes a record and what the index has of it; returns how many records that were. */
  #remove(key: Uint8Array): 0 | 1 {
    if (this.isIndexed(key)) this.database.removeSync(indexOf(key).key);
    return this.database.removeSync(key) ? 1 : 0;
  }

  #clear(generation: Generation): void {
    for (const prefix of [credentialPrefix(generation), indexPrefix(generation)]) {
      const some = () => Array.from(this.database.getKeys({ ...allWith(prefix), limit: 1000 }));
      for (let keys = some(); keys.length > 0; keys = some()) for (const key of keys) this.database.removeSync(key);
    }
  }

  #putDevice(state: DeviceState, credentialCount: number, previous?: Uint8Array): void {
    const record = encodeDevice(state, credentialCount, previous);
    previous?.fill(0);
    this.#putSealed(this.#generations.current, deviceKey, record);
  }

  /** Wipes the plaintext. */
  #putSealed({ keys }: Generation, key: Uint8Array, plaintext: Uint8Array): void {
    this.database.putSync(key, Buffer.from(sealRecord(keys.seal, key, plaintext)));
    plaintext.fill(0);
  }

  #open(key: Uint8Array): Uint8Array {
    return openRecord(this.#generations.current.keys.seal, key, this.#sealed(key));
  }

  #sealed(key: Uint8Array): Buffer {
    const value = this.database.getBinary(key);
    if (!value) throw lostRecord(key);
    return value;
  }

  #tryOpen({ keys }: Generation, key: Uint8Array, value = this.database.getBinary(key)): Uint8Array | undefined {
    return value && unlessCorrupt(() => openRecord(keys.seal, key, value));
  }
}

interface Place {
  readonly generation: Generation;
  /** Prefix, name of the RP ID hash (16 bytes), name of the credential id (16): one relying party is one range. */
  readonly key: Uint8Array;
}
