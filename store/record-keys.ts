// Keys of records in the database: what stands under which, and ranges of them. docs/store-format.md

import type { Credential } from '../ctap/env.ts';
import type { Generation } from './generations.ts';
import { nameOf } from './seal.ts';
import { VaultError } from './vault-error.ts';

/** The first byte of each key; the last two with the lowest bit of the generation. */
const keyPrefix = { device: 0x02, counter: 0x03, credential: 0x10, credentialIndex: 0x20 } as const;

export const deviceKey = Uint8Array.of(keyPrefix.device);
export const counterKey = Uint8Array.of(keyPrefix.counter);

const nameBytes = 16;
const recordKeyBytes = 1 + 2 * nameBytes;
const indexKeyBytes = 1 + nameBytes;

export function credentialPrefix({ number }: Pick<Generation, 'number'>): number {
  return keyPrefix.credential | (number & 1);
}

export function indexPrefix({ number }: Pick<Generation, 'number'>): number {
  return keyPrefix.credentialIndex | (number & 1);
}

/** Of a credential of any generation, damaged as it may be. */
export function isCredentialKey(key: Uint8Array): boolean {
  return ((key[0] ?? 0) & 0xfe) === keyPrefix.credential;
}

/** `stray`: of the length of one of ours, but neither. Other keys belong to later versions. */
export function keyKind(key: Uint8Array): 'credential' | 'index entry' | 'stray' | 'other' {
  const isIndexKey = ((key[0] ?? 0) & 0xfe) === keyPrefix.credentialIndex;
  if (isCredentialKey(key) && key.length === recordKeyBytes) return 'credential';
  if (isIndexKey && key.length === indexKeyBytes) return 'index entry';
  return [recordKeyBytes, indexKeyBytes].includes(key.length) ? 'stray' : 'other';
}

/** Where a credential of this generation stands: one relying party's are one range. */
export function recordKey(generation: Generation, { rpIdHash, id }: Pick<Credential, 'rpIdHash' | 'id'>): Buffer {
  const { names } = generation.keys;
  const prefix = credentialPrefix(generation);
  return concat(prefix, nameOf(names, 'rpIdHash', rpIdHash), nameOf(names, 'credentialId', id));
}

/** The key of the index entry of the credential that stands under this key, and what the entry holds. */
export function indexOf(recordKey: Uint8Array): { key: Buffer; value: Buffer } {
  const prefix = (recordKey[0] ?? 0) ^ keyPrefix.credential ^ keyPrefix.credentialIndex;
  return {
    key: concat(prefix, recordKey.subarray(indexKeyBytes)),
    value: Buffer.from(recordKey.subarray(1, indexKeyBytes)),
  };
}

/** The inverse of `indexOf`. */
export function recordOf(indexKey: Uint8Array, value: Uint8Array): Buffer {
  const prefix = (indexKey[0] ?? 0) ^ keyPrefix.credential ^ keyPrefix.credentialIndex;
  return concat(prefix, value, indexKey.subarray(1));
}

/** All of the same relying party. */
export function besides(recordKey: Uint8Array): { start: Buffer; end: Buffer } {
  return allWith(recordKey[0] ?? 0, recordKey.subarray(1, indexKeyBytes));
}

/** The range of all keys that begin so; a fresh object each time, because lmdb writes into it. */
export function allWith(prefix: number, ...names: readonly Uint8Array[]): { start: Buffer; end: Buffer } {
  const start = concat(prefix, ...names);
  return { start, end: Buffer.concat([start, Buffer.alloc(recordKeyBytes, 0xff)]) };
}

/** The same from behind a key on. */
export function allBehind(key: Uint8Array | undefined, prefix: number): { start: Buffer; end: Buffer } {
  const range = allWith(prefix);
  return key ? { ...range, start: Buffer.concat([key, Uint8Array.of(0)]) } : range;
}

export function concat(prefix: number, ...names: readonly Uint8Array[]): Buffer {
  return Buffer.concat([Uint8Array.of(prefix), ...names]);
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

export function lostRecord(key: Uint8Array): VaultError {
  const record = hex(key);
  return new VaultError('corrupt', `record ${record} is missing`, { record });
}
