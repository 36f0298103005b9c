// Sealed records in the database: which key a record stands under, how credentials are found, what is done about a
// damaged one. Reads see the last commit; writes must run inside `transact`. While a rekeying is under way, credentials
// stand in two generations: each is in one, and moves from the previous to the current one only.

import { randomBytes } from 'node:crypto';
import { factoryDeviceState } from '../ctap/device-state.ts';
import type { Credential, CredentialKind, DeviceState, RelyingParty } from '../ctap/env.ts';
import type { Database } from './database.ts';
import { type Generation, type Generations, wipe } from './generations.ts';
import {
  decodeCounter,
  decodeCredential,
  decodeCredentialCount,
  decodeDevice,
  encodeCounter,
  encodeCredential,
  encodeDevice,
} from './records.ts';
import { nameOf, openRecord, sealRecord } from './seal.ts';
import { VaultError } from './vault-error.ts';

/** The first byte of each key in the database; the last two with the lowest bit of the generation. */
const keyPrefix = { device: 0x02, counter: 0x03, credential: 0x10, credentialIndex: 0x20 } as const;

const deviceKey = Uint8Array.of(keyPrefix.device);
const counterKey = Uint8Array.of(keyPrefix.counter);
const nameBytes = 16;
/** Records that stay open in memory. */
const maxRecent = 64;

/** What `verify` found to be mended. */
export interface Repair {
  /** Keys of intact records that the index does not name. */
  readonly unindexed: readonly Uint8Array[];
  readonly miscounted: boolean;
}

export class RecordStore {
  readonly #database: Database['lmdb'];
  #generations: Generations;
  readonly #recent = new Map<string, { readonly sealed: Buffer; readonly credential: Credential }>();
  /** Keys that the index names and no record stands under; known where all records were verified. */
  readonly #lost = new Set<string>();
  #device: { sealed: Buffer; state: DeviceState; credentialCount: number } | undefined;

  constructor(database: Database, generations: Generations) {
    this.#database = database.lmdb;
    this.#generations = generations;
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
      for (const { key, value } of this.#database.getRange(range)) {
        found.push(this.#openCredential(generation, key, value));
      }
      for (const key of this.#lost) if (key.startsWith(prefix)) throw lostRecord(key);
    }
    return found.sort((a, b) => b.createdAt - a.createdAt);
  }

  /** What was opened lately is not opened again as long as it is sealed the same: sites are visited over and over. */
  #openCredential({ keys }: Generation, key: Uint8Array, sealed: Buffer): Credential {
    const name = Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
    const known = this.#recent.get(name);
    if (known?.sealed.equals(sealed)) return known.credential;
    const credential = decodeCredential(openRecord(keys.seal, key, sealed));
    if (this.#recent.size >= maxRecent) this.#recent.clear();
    this.#recent.set(name, { sealed: Buffer.from(sealed), credential });
    return credential;
  }

  /** Wipes the keys, and the secrets that were opened lately. */
  forget(): void {
    for (const { credential } of this.#recent.values()) {
      const { privateKey, credRandom, largeBlobKey } = credential;
      for (const secret of [privateKey, credRandom.withUV, credRandom.withoutUV, largeBlobKey]) secret?.fill(0);
    }
    this.#recent.clear();
    if (this.#device) {
      const { credentialIdKey, persistentPinUvAuthToken, pin } = this.#device.state;
      for (const secret of [credentialIdKey, persistentPinUvAuthToken, pin?.verifier]) secret?.fill(0);
    }
    this.#device = undefined;
    for (const generation of this.#oldestFirst()) wipe(generation);
  }

  /** As they were when the first was read: LMDB keeps that state for as long as the range is read. */
  *credentials(): Generator<Credential | VaultError> {
    // Copies, since the keys are wiped when a rekeying ends.
    const sealKeys = new Map(this.#oldestFirst().map((each) => [credentialPrefix(each), each.keys.seal.slice()]));
    const bothGenerations = { ...allWith(keyPrefix.credential), end: allWith(keyPrefix.credential | 1).end };
    try {
      for (const { key, value } of this.#database.getRange(bothGenerations)) {
        const sealKey = sealKeys.get(key[0] ?? 0);
        if (!sealKey) continue; // Of a generation that is no more.
        yield whatIsRead(() => decodeCredential(openRecord(sealKey, key, value)));
      }
      for (const key of this.#lost) yield lostRecord(key);
    } finally {
      for (const key of sealKeys.values()) key.fill(0);
    }
  }

  /** Kept in the device record, so that it costs the same in every vault. */
  credentialCount(): number {
    return this.#deviceRecord().credentialCount;
  }

  /** Damaged records are passed over. */
  relyingParties(): readonly RelyingParty[] {
    const found = new Map<string, RelyingParty>();
    for (const credential of this.credentials()) {
      if (credential instanceof VaultError) continue;
      const { rpId, rpIdHash, rpName } = credential;
      found.set(rpId, { rpId, rpIdHash, ...(rpName !== undefined && { rpName }) });
    }
    return [...found.values()];
  }

  get device(): DeviceState {
    return this.#deviceRecord().state;
  }

  #deviceRecord(): { state: DeviceState; credentialCount: number } {
    const sealed = this.#sealed(deviceKey);
    if (!this.#device?.sealed.equals(sealed)) {
      const record = openRecord(this.#generations.current.keys.seal, deviceKey, sealed);
      this.#device = { sealed, state: decodeDevice(record), credentialCount: decodeCredentialCount(record) };
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
    const counted = before ? this.#remove(before) : 0;
    const idName = nameOf(current.keys.names, 'credentialId', credential.id);
    this.#put(current, nameOf(current.keys.names, 'rpIdHash', credential.rpIdHash), idName, (key) =>
      sealed(current, key, encodeCredential(credential, previous)),
    );
    this.#credentialsChanged(1 - counted);
  }

  deleteCredential(id: Uint8Array): void {
    const place = this.#find(id);
    if (place) this.#credentialsChanged(-this.#remove(place));
  }

  /**
   * Counts, and renews what a platform notices by that its list of credentials is out of date. CTAP 2.3 §6.4,
   * encCredStoreState.
   */
  #credentialsChanged(difference: number): void {
    const previous = this.#open(deviceKey);
    const state = { ...decodeDevice(previous), credentialStoreState: randomBytes(16) };
    this.#putDevice(state, decodeCredentialCount(previous) + difference, previous);
  }

  setDevice(change: Partial<DeviceState>): void {
    const previous = this.#open(deviceKey);
    this.#putDevice({ ...decodeDevice(previous), ...change }, decodeCredentialCount(previous), previous);
  }

  /** Factory state: what is unknown in the device record goes, too; the counter stays. */
  reset(credentialKind: CredentialKind): void {
    for (const generation of this.#oldestFirst()) this.#clear(generation);
    this.#putDevice(factoryDeviceState(randomBytes, credentialKind), 0);
  }

  putCounter(reserved: number): void {
    this.#database.putSync(counterKey, sealed(this.#generations.current, counterKey, encodeCounter(reserved)));
  }

  /** Opens every record and compares index and count with them. Cost grows with the vault. */
  verify(): Repair {
    const unindexed: Uint8Array[] = [];
    this.#lost.clear();
    for (const generation of this.#oldestFirst()) {
      const indexed = new Set<string>();
      for (const { key, value } of this.#database.getRange(allWith(indexPrefix(generation)))) {
        indexed.add(hex(concat(credentialPrefix(generation), value, key.subarray(1))));
      }
      for (const { key, value } of this.#database.getRange(allWith(credentialPrefix(generation)))) {
        const isIndexed = indexed.delete(hex(key));
        if (!isIndexed && this.#tryOpen(generation, key, value)) unindexed.push(Uint8Array.from(key));
      }
      for (const name of indexed) this.#lost.add(name);
    }
    return { unindexed, miscounted: this.#isMiscounted() };
  }

  /** Writes the index of these records anew, which holds nothing that is not in their keys, and counts them again. */
  mend({ unindexed, miscounted }: Repair): void {
    for (const key of unindexed) {
      const indexKey = concat((key[0] ?? 0) ^ keyPrefix.credential ^ keyPrefix.credentialIndex, key.subarray(17));
      this.#database.putSync(indexKey, Buffer.from(key.subarray(1, 17)));
    }
    if (miscounted) this.recount();
  }

  /** Counts the records and keeps the number. Cost grows with the vault. */
  recount(): void {
    const previous = this.#open(deviceKey);
    this.#putDevice(decodeDevice(previous), this.#countRecords(), previous);
  }

  #isMiscounted(): boolean {
    try {
      return this.credentialCount() !== this.#countRecords();
    } catch (error) {
      if (error instanceof VaultError) return false; // The device record is damaged, which is told where it is read.
      throw error;
    }
  }

  #countRecords(): number {
    const counts = this.#oldestFirst().map((each) => this.#database.getKeysCount(allWith(credentialPrefix(each))));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Seals the records that there is one of each under the keys to come; these are not adopted yet. */
  moveSingles({ current }: Generations): void {
    for (const key of [deviceKey, counterKey]) this.#database.putSync(key, sealed(current, key, this.#open(key)));
  }

  /**
   * Moves credentials of the previous generation to the current one, up to `limit` of them, from behind the key `after`.
   * Damaged ones stay where they are.
   * @returns the last key that was looked at; undefined if there are no more.
   */
  moveToCurrent(limit: number, after: Uint8Array | undefined): { moved: number; last: Uint8Array | undefined } {
    const { current, previous } = this.#generations;
    if (!previous) return { moved: 0, last: undefined };
    const range = allWith(credentialPrefix(previous));
    const start = after ? Buffer.concat([after, Uint8Array.of(0)]) : range.start;
    const entries = Array.from(this.#database.getRange({ ...range, start, limit }), ({ key, value }) => ({
      key: Uint8Array.from(key),
      value: Buffer.from(value),
    }));
    let moved = 0;
    for (const { key, value } of entries) {
      const record = this.#tryOpen(previous, key, value);
      const credential = record && this.#tryDecode(record);
      if (!credential) continue;
      this.#remove({ generation: previous, key });
      const { names } = current.keys;
      const idName = nameOf(names, 'credentialId', credential.id);
      this.#put(current, nameOf(names, 'rpIdHash', credential.rpIdHash), idName, (to) => sealed(current, to, record));
      credential.privateKey.fill(0);
      record.fill(0);
      moved++;
    }
    return { moved, last: entries.at(-1)?.key };
  }

  /** How many entries of the previous generation cannot be moved: records and names of records. */
  leftBehind(): number {
    const { previous } = this.#generations;
    if (!previous) return 0;
    const count = (prefix: number) => this.#database.getKeysCount(allWith(prefix));
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
      const rpName = this.#database.getBinary(concat(indexPrefix(generation), idName));
      if (rpName) return { generation, key: concat(credentialPrefix(generation), rpName, idName) };
    }
    return undefined;
  }

  #put(generation: Generation, rpName: Uint8Array, idName: Uint8Array, seal: (key: Uint8Array) => Buffer): void {
    const key = concat(credentialPrefix(generation), rpName, idName);
    this.#database.putSync(key, seal(key));
    this.#database.putSync(concat(indexPrefix(generation), idName), Buffer.from(rpName));
  }

  /** Removes a record and its index; returns how many records that were. */
  #remove({ generation, key }: Place): 0 | 1 {
    this.#database.removeSync(concat(indexPrefix(generation), key.subarray(1 + nameBytes)));
    return this.#database.removeSync(key) ? 1 : 0;
  }

  #clear(generation: Generation): void {
    for (const prefix of [credentialPrefix(generation), indexPrefix(generation)]) {
      const some = () => Array.from(this.#database.getKeys({ ...allWith(prefix), limit: 1000 }));
      for (let keys = some(); keys.length > 0; keys = some()) for (const key of keys) this.#database.removeSync(key);
    }
    this.#lost.clear();
  }

  #putDevice(state: DeviceState, credentialCount: number, previous?: Uint8Array): void {
    const record = encodeDevice(state, credentialCount, previous);
    this.#database.putSync(deviceKey, sealed(this.#generations.current, deviceKey, record));
  }

  #open(key: Uint8Array): Uint8Array {
    return openRecord(this.#generations.current.keys.seal, key, this.#sealed(key));
  }

  #sealed(key: Uint8Array): Buffer {
    const value = this.#database.getBinary(key);
    if (!value) throw lostRecord(hex(key));
    return value;
  }

  #tryOpen({ keys }: Generation, key: Uint8Array, value = this.#database.getBinary(key)): Uint8Array | undefined {
    return value && unlessCorrupt(() => openRecord(keys.seal, key, value));
  }

  #tryDecode(record: Uint8Array): Credential | undefined {
    return unlessCorrupt(() => decodeCredential(record));
  }
}

interface Place {
  readonly generation: Generation;
  /** Prefix, name of the RP ID hash (16 bytes), name of the credential id (16): one relying party is one range. */
  readonly key: Uint8Array;
}

function credentialPrefix({ number }: Generation): number {
  return keyPrefix.credential | (number & 1);
}

function indexPrefix({ number }: Generation): number {
  return keyPrefix.credentialIndex | (number & 1);
}

function sealed({ keys }: Generation, key: Uint8Array, plaintext: Uint8Array): Buffer {
  return Buffer.from(sealRecord(keys.seal, key, plaintext));
}

function whatIsRead<T>(read: () => T): T | VaultError {
  try {
    return read();
  } catch (error) {
    if (error instanceof VaultError) return error;
    throw error;
  }
}

function unlessCorrupt<T>(read: () => T): T | undefined {
  const found = whatIsRead(read);
  if (!(found instanceof VaultError)) return found;
  if (found.code === 'corrupt') return undefined;
  throw found;
}

/** The range of all keys that begin so; a fresh object each time, because lmdb writes into it. */
function allWith(prefix: number, ...names: readonly Uint8Array[]): { start: Buffer; end: Buffer } {
  const start = concat(prefix, ...names);
  return { start, end: Buffer.concat([start, Buffer.alloc(2 * nameBytes + 1, 0xff)]) };
}

function lostRecord(record: string): VaultError {
  return new VaultError('corrupt', `record ${record} is missing`, { record });
}

function concat(prefix: number, ...names: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Uint8Array.of(prefix), ...names]);
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
