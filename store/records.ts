// Records to bytes: canonical CBOR maps with integer keys (docs/store-format.md). Members that this version does not
// know survive a rewrite, so that an older passfob loses nothing of what a newer one stored.

import {
  arrayOf,
  boolean,
  bytes,
  type CborKey,
  type CborValue,
  decodeCbor,
  encodeCbor,
  integer,
  MapReader,
  type Shape,
  text,
  unsigned,
} from '../ctap/cbor.ts';
import type { Credential, DeviceState, PinState } from '../ctap/env.ts';
import { pinned } from './secrets.ts';
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
  kind: 12,
  credProtect: 13,
  credRandom: 14,
  thirdPartyPayment: 15,
  credBlob: 16,
  largeBlobKey: 17,
} as const;

/** `device-bound` is 0, `synced` is 1. */
const kinds = ['device-bound', 'synced'] as const;

/** Bytes that can be overwritten for good. */
const secret: Shape<Uint8Array> = (value) => pinned(bytes(value));

const credProtectLevels = [1, 2, 3] as const;

const deviceField = {
  credentialIdKey: 1,
  pinSalt: 2,
  pinVerifier: 3,
  pinCodePointLength: 4,
  pinRetries: 5,
  uvRetries: 6,
  forcePINChange: 7,
  minPINLength: 8,
  minPinLengthRPIDs: 9,
  pinComplexityPolicy: 10,
  alwaysUv: 11,
  enterpriseAttestation: 12,
  longTouchForReset: 13,
  largeBlobArray: 14,
  persistentPinUvAuthToken: 15,
  deviceIdentifier: 16,
  credentialStoreState: 17,
  credentialKind: 18,
  credentialCount: 19,
  restoredIdKeys: 20,
} as const;

const counterField = { reserved: 1 } as const;

/** What nobody but the vault, and who uses it, may know of a credential. */
export function secretsOf({ privateKey, credRandom, largeBlobKey }: Credential): Uint8Array[] {
  return [privateKey, credRandom.withUV, credRandom.withoutUV, ...(largeBlobKey ? [largeBlobKey] : [])];
}

/** The same of the device. */
export function deviceSecrets(device: Partial<DeviceState>): Uint8Array[] {
  const { credentialIdKey, restoredIdKeys = [], persistentPinUvAuthToken, pin } = device;
  return [credentialIdKey, ...restoredIdKeys, persistentPinUvAuthToken, pin?.verifier].filter((each) => !!each);
}

export function wipeAll(secrets: readonly Uint8Array[]): void {
  for (const secret of secrets) secret.fill(0);
}

export function wipeSecrets(credential: Credential): void {
  wipeAll(secretsOf(credential));
}

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
    [credentialField.kind, kinds.indexOf(credential.kind)],
    [credentialField.credProtect, credential.credProtect],
    [credentialField.credRandom, Buffer.concat([credential.credRandom.withUV, credential.credRandom.withoutUV])],
    [credentialField.thirdPartyPayment, credential.thirdPartyPayment],
    [credentialField.credBlob, credential.credBlob],
    [credentialField.largeBlobKey, credential.largeBlobKey],
  ]);
}

/** @throws VaultError `corrupt` if the bytes are not a credential record. */
export function decodeCredential(record: Uint8Array): Credential {
  return readMembers(record, (members) => {
    const rpName = members.optional(credentialField.rpName, text);
    const name = members.optional(credentialField.userName, text);
    const displayName = members.optional(credentialField.userDisplayName, text);
    const credBlob = members.optional(credentialField.credBlob, bytes);
    const largeBlobKey = members.optional(credentialField.largeBlobKey, secret);
    const credRandom = members.required(credentialField.credRandom, bytes);
    const [withUV, withoutUV] = [pinned(credRandom.subarray(0, 32)), pinned(credRandom.subarray(32))];
    return {
      id: members.required(credentialField.id, bytes),
      rpIdHash: members.required(credentialField.rpIdHash, bytes),
      algorithm: members.required(credentialField.algorithm, integer),
      privateKey: members.required(credentialField.privateKey, secret),
      publicKey: members.required(credentialField.publicKey, bytes),
      rpId: members.required(credentialField.rpId, text),
      ...(rpName !== undefined && { rpName }),
      user: {
        id: members.required(credentialField.userId, bytes),
        ...(name !== undefined && { name }),
        ...(displayName !== undefined && { displayName }),
      },
      createdAt: members.required(credentialField.createdAt, unsigned),
      kind: known(kinds[members.required(credentialField.kind, unsigned)]),
      credProtect: known(credProtectLevels[members.required(credentialField.credProtect, unsigned) - 1]),
      credRandom: { withUV, withoutUV },
      thirdPartyPayment: members.required(credentialField.thirdPartyPayment, boolean),
      ...(credBlob && { credBlob }),
      ...(largeBlobKey && { largeBlobKey }),
    };
  });
}

/**
 * @param credentialCount how many credential records the vault has.
 * @param previous the record that this one replaces; its unknown members are kept.
 */
export function encodeDevice(device: DeviceState, credentialCount: number, previous?: Uint8Array): Uint8Array {
  return encodeMembers(deviceField, previous, [
    [deviceField.credentialIdKey, device.credentialIdKey],
    [deviceField.pinSalt, device.pin?.salt],
    [deviceField.pinVerifier, device.pin?.verifier],
    [deviceField.pinCodePointLength, device.pin?.codePointLength],
    [deviceField.pinRetries, device.pinRetries],
    [deviceField.uvRetries, device.uvRetries],
    [deviceField.forcePINChange, device.forcePINChange],
    [deviceField.minPINLength, device.minPINLength],
    [deviceField.minPinLengthRPIDs, device.minPinLengthRPIDs],
    [deviceField.pinComplexityPolicy, device.pinComplexityPolicy],
    [deviceField.alwaysUv, device.alwaysUv],
    [deviceField.enterpriseAttestation, device.enterpriseAttestation],
    [deviceField.longTouchForReset, device.longTouchForReset],
    [deviceField.largeBlobArray, device.largeBlobArray],
    [deviceField.persistentPinUvAuthToken, device.persistentPinUvAuthToken ?? undefined],
    [deviceField.deviceIdentifier, device.deviceIdentifier],
    [deviceField.credentialStoreState, device.credentialStoreState],
    [deviceField.credentialKind, kinds.indexOf(device.credentialKind)],
    [deviceField.credentialCount, credentialCount],
    [deviceField.restoredIdKeys, device.restoredIdKeys.length > 0 ? device.restoredIdKeys : undefined],
  ]);
}

/** @throws VaultError `corrupt` if the bytes are not a device record. */
export function decodeDevice(record: Uint8Array): { state: DeviceState; credentialCount: number } {
  return readMembers(record, (members) => ({
    state: readDevice(members),
    // Format 1 has none.
    credentialCount: members.optional(deviceField.credentialCount, unsigned) ?? 0,
  }));
}

function readDevice(members: MapReader): DeviceState {
  return {
    credentialIdKey: members.required(deviceField.credentialIdKey, secret),
    restoredIdKeys: members.optional(deviceField.restoredIdKeys, arrayOf(secret)) ?? [],
    pin: readPin(members),
    pinRetries: members.required(deviceField.pinRetries, unsigned),
    uvRetries: members.required(deviceField.uvRetries, unsigned),
    forcePINChange: members.required(deviceField.forcePINChange, boolean),
    minPINLength: members.required(deviceField.minPINLength, unsigned),
    minPinLengthRPIDs: members.required(deviceField.minPinLengthRPIDs, arrayOf(text)),
    pinComplexityPolicy: members.required(deviceField.pinComplexityPolicy, boolean),
    alwaysUv: members.required(deviceField.alwaysUv, boolean),
    enterpriseAttestation: members.required(deviceField.enterpriseAttestation, boolean),
    longTouchForReset: members.required(deviceField.longTouchForReset, boolean),
    largeBlobArray: members.required(deviceField.largeBlobArray, bytes),
    persistentPinUvAuthToken: members.optional(deviceField.persistentPinUvAuthToken, secret) ?? null,
    deviceIdentifier: members.required(deviceField.deviceIdentifier, bytes),
    credentialStoreState: members.required(deviceField.credentialStoreState, bytes),
    credentialKind: known(kinds[members.required(deviceField.credentialKind, unsigned)]),
  };
}

function readPin(members: MapReader): PinState | null {
  const salt = members.optional(deviceField.pinSalt, bytes);
  if (!salt) return null;
  return {
    salt,
    verifier: members.required(deviceField.pinVerifier, secret),
    codePointLength: members.required(deviceField.pinCodePointLength, unsigned),
  };
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
  const all = new Map<CborKey, CborValue | undefined>(previous && membersOf(previous));
  for (const key of Object.values(known)) {
    const before = all.get(key);
    if (before instanceof Uint8Array) before.fill(0); // It is a copy.
    all.delete(key);
  }
  for (const [key, value] of members) all.set(key, value);
  return encodeCbor(all);
}

/** Of a record that is to be replaced: one that cannot be read has none that could be kept. */
function membersOf(record: Uint8Array): ReadonlyMap<CborKey, CborValue> {
  try {
    return decodeMap(record);
  } catch {
    return new Map();
  }
}

function readMembers<T>(record: Uint8Array, read: (members: MapReader) => T): T {
  try {
    return read(new MapReader(decodeMap(record), 'CBOR_UNEXPECTED_TYPE'));
  } catch (cause) {
    throw new VaultError('corrupt', 'a record opens, but does not hold what it should', { cause });
  }
}

/** A choice that this version knows. */
function known<T>(choice: T | undefined): T {
  if (choice === undefined) throw new TypeError('expected a known choice');
  return choice;
}

function decodeMap(record: Uint8Array): ReadonlyMap<CborKey, CborValue> {
  const value = decodeCbor(record);
  if (value instanceof Map) return value;
  throw new TypeError('expected a map');
}
