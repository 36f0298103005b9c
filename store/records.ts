// Records to bytes: canonical CBOR maps with integer keys (docs/store-format.md). Members that this version does not
// know survive a rewrite, so that an older passfob loses nothing of what a newer one stored.

import {
  bytes,
  type CborKey,
  type CborValue,
  decodeCbor,
  encodeCbor,
  integer,
  MapReader,
  text,
  unsigned,
} from '../ctap/cbor.ts';
import type { Credential, DeviceState } from '../ctap/env.ts';
import { VaultError } from './vault-error.ts';

const credentialField = {
  id: 1,
  rpIdHash: 2,
  algorithm: 3,
  privateKey: 4,
  publicKey: 5,
  rpId: 6,
  rpName: 7,
  userId: 8,
  userName: 9,
  userDisplayName: 10,
  createdAt: 11,
} as const;

const deviceField = { credentialIdKey: 1 } as const;

const counterField = { reserved: 1 } as const;

/** @param previous the record that this one replaces; its unknown members are kept. */
export function encodeCredential(credential: Credential, previous?: Uint8Array): Uint8Array {
  return encodeMembers(credentialField, previous, [
    [credentialField.id, credential.id],
    [credentialField.rpIdHash, credential.rpIdHash],
    [credentialField.algorithm, credential.algorithm],
    [credentialField.privateKey, credential.privateKey],
    [credentialField.publicKey, credential.publicKey],
    [credentialField.rpId, credential.rpId],
    [credentialField.rpName, credential.rpName],
    [credentialField.userId, credential.user.id],
    [credentialField.userName, credential.user.name],
    [credentialField.userDisplayName, credential.user.displayName],
    [credentialField.createdAt, credential.createdAt],
  ]);
}

/** @throws VaultError `corrupt` if the bytes are not a credential record. */
export function decodeCredential(record: Uint8Array): Credential {
  return readMembers(record, (members) => {
    const rpName = members.optional(credentialField.rpName, text);
    const name = members.optional(credentialField.userName, text);
    const displayName = members.optional(credentialField.userDisplayName, text);
    return {
      id: members.required(credentialField.id, bytes),
      rpIdHash: members.required(credentialField.rpIdHash, bytes),
      algorithm: members.required(credentialField.algorithm, integer),
      privateKey: members.required(credentialField.privateKey, bytes),
      publicKey: members.required(credentialField.publicKey, bytes),
      rpId: members.required(credentialField.rpId, text),
      ...(rpName !== undefined && { rpName }),
      user: {
        id: members.required(credentialField.userId, bytes),
        ...(name !== undefined && { name }),
        ...(displayName !== undefined && { displayName }),
      },
      createdAt: members.required(credentialField.createdAt, unsigned),
    };
  });
}

/** @param previous the record that this one replaces; its unknown members are kept. */
export function encodeDevice(device: DeviceState, previous?: Uint8Array): Uint8Array {
  return encodeMembers(deviceField, previous, [[deviceField.credentialIdKey, device.credentialIdKey]]);
}

/** @throws VaultError `corrupt` if the bytes are not a device record. */
export function decodeDevice(record: Uint8Array): DeviceState {
  return readMembers(record, (members) => ({
    credentialIdKey: members.required(deviceField.credentialIdKey, bytes),
  }));
}

/** The counter record: the highest signature count that may have been given out. */
export function encodeCounter(reserved: number): Uint8Array {
  return encodeMembers(counterField, undefined, [[counterField.reserved, reserved]]);
}

/** @throws VaultError `corrupt` if the bytes are not a counter record. */
export function decodeCounter(record: Uint8Array): number {
  return readMembers(record, (members) => members.required(counterField.reserved, unsigned));
}

function encodeMembers(
  known: Readonly<Record<string, number>>,
  previous: Uint8Array | undefined,
  members: readonly (readonly [number, CborValue | undefined])[],
): Uint8Array {
  const all = new Map<CborKey, CborValue | undefined>(previous && decodeMap(previous));
  for (const key of Object.values(known)) all.delete(key);
  for (const [key, value] of members) all.set(key, value);
  return encodeCbor(all);
}

function readMembers<T>(record: Uint8Array, read: (members: MapReader) => T): T {
  try {
    return read(new MapReader(decodeMap(record), 'CBOR_UNEXPECTED_TYPE'));
  } catch (cause) {
    throw new VaultError('corrupt', 'a record opens, but does not hold what it should', { cause });
  }
}

function decodeMap(record: Uint8Array): ReadonlyMap<CborKey, CborValue> {
  const value = decodeCbor(record);
  if (value instanceof Map) return value;
  throw new TypeError('expected a map');
}
