// Sealed records in the database: which key a record stands under, how credentials are found, what is done about a
// damaged one. Reads see the last commit; writes must run inside `transact`.

import { randomBytes } from 'node:crypto';
import { factoryDeviceState } from '../ctap/device-state.ts';
import type { Credential, CredentialKind, DeviceState, RelyingParty } from '../ctap/env.ts';
import type { Database } from './database.ts';
import {
  decodeCounter,
  decodeCredential,
  decodeDevice,
  encodeCounter,
  encodeCredential,
  encodeDevice,
} from './records.ts';
import { nameOf, openRecord, sealRecord, type VaultKeys } from './seal.ts';
import { VaultError } from './vault-error.ts';

/** The first byte of each key in the database. */
export const keyPrefix = {
  header: 0x00,
  headerCopy: 0x01,
  device: 0x02,
  counter: 0x03,
  credential: 0x10,
  credentialIndex: 0x20,
} as const;

const deviceKey = Uint8Array.of(keyPrefix.device);
const counterKey = Uint8Array.of(keyPrefix.counter);
const nameBytes = 16;
/** Records that stay open in memory. */
const maxRecent = 64;
export class RecordStore {
  readonly #database: Database['lmdb'];
  readonly #keys: VaultKeys;
  readonly #recent = new Map<string, { readonly sealed: Buffer; readonly credential: Credential }>();
  /** Keys that the index names and no record stands under; known where all records were verified. */
  readonly #lost = new Set<string>();
  #device: { sealed: Buffer; state: DeviceState } | undefined;

  constructor(database: Database, keys: VaultKeys) {
    this.#database = database.lmdb;
    this.#keys = keys;
  }

  credential(id: Uint8Array): Credential | undefined {
    const indexKey = this.#indexKey(id);
    const rpName = this.#database.getBinary(indexKey);
    if (!rpName) return undefined;
    const key = credentialKey(rpName, indexKey.subarray(1));
    return this.#openCredential(key, this.#sealed(key));
  }

  /** @throws VaultError if a credential of this relying party is damaged: a part would be a wrong answer. */
  credentialsOf(rpIdHash: Uint8Array): Credential[] {
    const rpName = nameOf(this.#keys.names, 'rpIdHash', rpIdHash);
    const range = allWith(keyPrefix.credential, rpName);
    const prefix = hex(range.start);
    const found = Array.from(this.#database.getRange(range), ({ key, value }) => this.#openCredential(key, value));
    for (const key of this.#lost) if (key.startsWith(prefix)) throw lostRecord(key);
    return found.sort((a, b) => b.createdAt - a.createdAt);
  }

  /** What was opened lately is not opened again as long as it is sealed the same: sites are visited over and over. */
  #openCredential(key: Uint8Array, sealed: Buffer): Credential {
    const name = Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
    const known = this.#recent.get(name);
    if (known?.sealed.equals(sealed)) return known.credential;
    const credential = decodeCredential(openRecord(this.#keys.seal, key, sealed));
    if (this.#recent.size >= maxRecent) this.#recent.clear();
    this.#recent.set(name, { sealed: Buffer.from(sealed), credential });
    return credential;
  }

  /** Wipes the private keys that were opened lately. */
  forget(): void {
    for (const { credential } of this.#recent.values()) credential.privateKey.fill(0);
    this.#recent.clear();
  }

  *credentials(): Generator<Credential | VaultError> {
    for (const { key, value } of this.#database.getRange(allWith(keyPrefix.credential))) {
      try {
        yield decodeCredential(openRecord(this.#keys.seal, key, value));
      } catch (error) {
        if (!(error instanceof VaultError)) throw error;
        yield error;
      }
    }
    for (const key of this.#lost) yield lostRecord(key);
  }

  credentialCount(): number {
    return this.#database.getKeysCount(allWith(keyPrefix.credential));
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
    const sealed = this.#sealed(deviceKey);
    if (!this.#device?.sealed.equals(sealed)) {
      this.#device = { sealed, state: decodeDevice(openRecord(this.#keys.seal, deviceKey, sealed)) };
    }
    return this.#device.state;
  }

  counter(): number {
    return decodeCounter(this.#open(counterKey));
  }

  putCredential(credential: Credential): void {
    const indexKey = this.#indexKey(credential.id);
    const rpName = nameOf(this.#keys.names, 'rpIdHash', credential.rpIdHash);
    const key = credentialKey(rpName, indexKey.subarray(1));
    const previousRpName = this.#database.getBinary(indexKey);
    const previousKey = previousRpName && credentialKey(previousRpName, indexKey.subarray(1));
    const previous = previousKey && this.#tryOpen(previousKey);
    if (previousKey && !previousKey.equals(key)) this.#database.removeSync(previousKey);
    this.#database.putSync(key, this.#seal(key, encodeCredential(credential, previous)));
    this.#database.putSync(indexKey, Buffer.from(rpName));
    this.#renewState();
  }

  deleteCredential(id: Uint8Array): void {
    const indexKey = this.#indexKey(id);
    const rpName = this.#database.getBinary(indexKey);
    if (!rpName) return;
    this.#database.removeSync(credentialKey(rpName, indexKey.subarray(1)));
    this.#database.removeSync(indexKey);
    this.#renewState();
  }

  /** By this a platform notices that its list of credentials is out of date. CTAP 2.3 §6.4, encCredStoreState. */
  #renewState(): void {
    this.setDevice({ credentialStoreState: randomBytes(16) });
  }

  setDevice(change: Partial<DeviceState>): void {
    const previous = this.#open(deviceKey);
    this.#putDevice({ ...decodeDevice(previous), ...change }, previous);
  }

  /** Factory state: what is unknown in the device record goes, too; the counter stays. */
  reset(credentialKind: CredentialKind): void {
    for (const prefix of [keyPrefix.credential, keyPrefix.credentialIndex]) {
      for (const key of Array.from(this.#database.getKeys(allWith(prefix)))) this.#database.removeSync(key);
    }
    this.#putDevice(factoryDeviceState(randomBytes, credentialKind));
  }

  putCounter(reserved: number): void {
    this.#database.putSync(counterKey, this.#seal(counterKey, encodeCounter(reserved)));
  }

  /**
   * Opens every record and compares the index with them. Cost grows with the vault.
   * @returns keys of intact records that the index does not name, for `reindex`.
   */
  verify(): Uint8Array[] {
    const missing: Uint8Array[] = [];
    const indexed = new Set<string>();
    for (const { key, value } of this.#database.getRange(allWith(keyPrefix.credentialIndex))) {
      indexed.add(hex(credentialKey(value, key.subarray(1))));
    }
    const stored = new Set<string>();
    for (const { key, value } of this.#database.getRange(allWith(keyPrefix.credential))) {
      stored.add(hex(key));
      if (!indexed.has(hex(key)) && this.#tryOpen(key, value)) missing.push(Uint8Array.from(key));
    }
    for (const name of indexed) if (!stored.has(name)) this.#lost.add(name);
    return missing;
  }

  /** Writes the index of these records anew; it holds nothing that is not in their keys. */
  reindex(keys: readonly Uint8Array[]): void {
    for (const key of keys) {
      const indexKey = concat(keyPrefix.credentialIndex, key.subarray(1 + nameBytes));
      this.#database.putSync(indexKey, Buffer.from(key.subarray(1, 1 + nameBytes)));
    }
  }

  #putDevice(state: DeviceState, previous?: Uint8Array): void {
    this.#database.putSync(deviceKey, this.#seal(deviceKey, encodeDevice(state, previous)));
  }

  #indexKey(id: Uint8Array): Buffer {
    return concat(keyPrefix.credentialIndex, nameOf(this.#keys.names, 'credentialId', id));
  }

  #seal(key: Uint8Array, plaintext: Uint8Array): Buffer {
    return Buffer.from(sealRecord(this.#keys.seal, key, plaintext));
  }

  #open(key: Uint8Array): Uint8Array {
    return openRecord(this.#keys.seal, key, this.#sealed(key));
  }

  #sealed(key: Uint8Array): Buffer {
    const sealed = this.#database.getBinary(key);
    if (!sealed) throw lostRecord(hex(key));
    return sealed;
  }

  #tryOpen(key: Uint8Array, sealed = this.#database.getBinary(key)): Uint8Array | undefined {
    if (!sealed) return undefined;
    try {
      return openRecord(this.#keys.seal, key, sealed);
    } catch (error) {
      if (error instanceof VaultError && error.code === 'corrupt') return undefined;
      throw error;
    }
  }
}

/** Prefix, name of the RP ID hash (16 bytes), name of the credential id (16): one relying party is one range. */
function credentialKey(rpName: Uint8Array, idName: Uint8Array): Buffer {
  return concat(keyPrefix.credential, rpName, idName);
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
