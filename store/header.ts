// The header: what can be read of a vault before it is unlocked. Magic, format version, slots, checksum. It stands in
// the vault twice, because with a damaged header every credential would be lost.

import { createHash } from 'node:crypto';
import { arrayOf, type CborKey, type CborValue, decodeCbor, encodeCbor, MapReader, type Shape } from '../ctap/cbor.ts';
import { checkSlot, type Slot } from './slots.ts';
import { VaultError } from './vault-error.ts';

const magic = Buffer.from('passfob\0', 'ascii');
export const formatVersion = 1;
const headerField = { slots: 1 } as const;
const bodyStart = magic.length + 2;
const checksumBytes = 32;

/** Magic (8 bytes), format version (2, big-endian), CBOR map with the slots, SHA-256 of all before (32). */
export function encodeHeader(slots: readonly Slot[]): Uint8Array {
  const version = Uint8Array.of(formatVersion >> 8, formatVersion & 0xff);
  const body = Buffer.concat([magic, version, encodeCbor(new Map([[headerField.slots, slots]]))]);
  return Buffer.concat([body, checksum(body)]);
}

/**
 * Reads the slots out of a header.
 * @throws VaultError `foreign` without the magic, `newer-format` if a later passfob wrote it, `corrupt` if it is damaged.
 */
export function decodeHeader(header: Uint8Array): readonly Slot[] {
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
    const members = new MapReader(asMap(decodeCbor(body.subarray(bodyStart))), 'CBOR_UNEXPECTED_TYPE');
    const slots = members.required(headerField.slots, arrayOf(asMap));
    for (const slot of slots) checkSlot(slot);
    return slots;
  } catch (cause) {
    throw new VaultError('corrupt', 'the header of the vault does not hold what it should', { cause });
  }
}

const asMap: Shape<ReadonlyMap<CborKey, CborValue>> = (value) => {
  if (value instanceof Map) return value;
  throw new TypeError('expected a map');
};

function checksum(bytes: Uint8Array): Buffer {
  return createHash('sha256').update(bytes).digest();
}
