// The header: what can be read of a vault before it is unlocked. Magic, format version, slots, generation of the keys,
// checksum, and what only who has the root key can write: its authentication. Layout: docs/store-format.md.

import { createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import {
  arrayOf,
  bytes,
  type CborKey,
  type CborValue,
  decodeCbor,
  encodeCbor,
  MapReader,
  type Shape,
  unsigned,
} from '../ctap/cbor.ts';
import { checkKind, checkSlot, type Slot } from './slots.ts';
import { VaultError } from './vault-error.ts';

const magic = Buffer.from('passfob\0', 'ascii');
export const formatVersion = 2;
const headerField = { slots: 1, generation: 2, previousKey: 3, authentication: 4 } as const;
const bodyStart = magic.length + 2;
const checksumBytes = 32;
const authenticationLabel = 'passfob vault 2: authenticate header';

export interface Header {
  /** 1: a vault that `migrations.ts` brings to the current format when it is unlocked. */
  readonly formatVersion: number;
  readonly slots: readonly Slot[];
  /** How often the root key was renewed; its lowest bit is in the keys of records. */
  readonly generation: number;
  /** While records of the generation before are there: its root key, sealed under this one's. */
  readonly previousKey: Uint8Array | undefined;
  /** As it was read; undefined in format 1. */
  readonly authentication: Uint8Array | undefined;
}

export type HeaderContent = Pick<Header, 'slots' | 'generation' | 'previousKey'>;

/** Magic (8 bytes), format version (2, big-endian), CBOR map, SHA-256 of all before (32). */
export function encodeHeader(content: HeaderContent, rootKey: Uint8Array): Uint8Array {
  const version = Uint8Array.of(formatVersion >> 8, formatVersion & 0xff);
  const members = encodeCbor(membersOf(content).set(headerField.authentication, authenticate(content, rootKey)));
  const body = Buffer.concat([magic, version, members]);
  return Buffer.concat([body, checksum(body)]);
}

/**
 * Reads a header.
 * @throws VaultError `foreign` without the magic, `newer-format` if a later passfob wrote it, `corrupt` if it is damaged.
 */
export function decodeHeader(header: Uint8Array): Header {
  const body = header.subarray(0, -checksumBytes);
  const intact = checksum(body).equals(header.subarray(-checksumBytes));
  const isOurs = magic.equals(header.subarray(0, magic.length));
  if (!isOurs) throw new VaultError('foreign', 'the file has no header of a passfob vault');
  if (!intact) throw new VaultError('corrupt', 'the header of the vault is damaged');
  const version = Buffer.from(body).readUInt16BE(magic.length);
  if (version > formatVersion) {
    throw new VaultError('newer-format', `the vault has format ${version}, this passfob reads up to ${formatVersion}`);
  }
  try {
    return decodeMembers(version, new MapReader(asMap(decodeCbor(body.subarray(bodyStart))), 'CBOR_UNEXPECTED_TYPE'));
  } catch (cause) {
    throw new VaultError('corrupt', 'the header of the vault does not hold what it should', { cause });
  }
}

/** @throws VaultError `corrupt` if the header was written without the root key: its public keys are not to be trusted. */
export function checkAuthentication(header: Header, rootKey: Uint8Array): void {
  const { authentication } = header;
  if (authentication?.length === 32 && timingSafeEqual(authentication, authenticate(header, rootKey))) return;
  throw new VaultError('corrupt', 'the header was changed by something that cannot open the vault');
}

function decodeMembers(version: number, members: MapReader): Header {
  const slots = members.required(headerField.slots, arrayOf(asMap));
  if (version === 1) {
    for (const slot of slots) checkKind(new MapReader(slot, 'CBOR_UNEXPECTED_TYPE'));
    return { formatVersion: 1, slots, generation: 0, previousKey: undefined, authentication: undefined };
  }
  for (const slot of slots) checkSlot(slot);
  return {
    formatVersion: version,
    slots,
    generation: members.required(headerField.generation, unsigned),
    previousKey: members.optional(headerField.previousKey, bytes),
    authentication: members.required(headerField.authentication, bytes),
  };
}

function membersOf({ slots, generation, previousKey }: HeaderContent): Map<CborKey, CborValue> {
  const members = new Map<CborKey, CborValue>([
    [headerField.slots, slots],
    [headerField.generation, generation],
  ]);
  return previousKey ? members.set(headerField.previousKey, previousKey) : members;
}

function authenticate(content: HeaderContent, rootKey: Uint8Array): Uint8Array {
  const key = new Uint8Array(hkdfSync('sha256', rootKey, new Uint8Array(), authenticationLabel, 32));
  const digest = createHmac('sha256', key)
    .update(encodeCbor(membersOf(content)))
    .digest();
  key.fill(0);
  return Uint8Array.from(digest);
}

const asMap: Shape<ReadonlyMap<CborKey, CborValue>> = (value) => {
  if (value instanceof Map) return value;
  throw new TypeError('expected a map');
};

function checksum(content: Uint8Array): Buffer {
  return createHash('sha256').update(content).digest();
}
