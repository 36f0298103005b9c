// The platform's side of the extensions hmac-secret and largeBlobKey: encrypted salts, and the elements of the large-blob
// array. Independent of the project, with node: modules alone. CTAP 2.1 §6.10.3, §12.5.

import { createCipheriv, createDecipheriv, createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { type Agreement, decodeFirst, encode, type Key, type Value } from './platform.ts';

/** The input of hmac-secret and hmac-secret-mc for one or two salts; the member 04 is left out for protocol one. */
export function hmacSecretInput(agreement: Agreement, salts: Uint8Array): ReadonlyMap<Key, Value> {
  const saltEnc = agreement.encrypt(salts);
  return new Map<Key, Value>([
    [1, agreement.coseKey],
    [2, saltEnc],
    [3, agreement.authenticate(saltEnc)],
    ...(agreement.protocol === 1 ? [] : ([[4, agreement.protocol]] as const)),
  ]);
}

/** The salt that WebAuthn's prf extension makes of an input. WebAuthn §10.1.4. */
export function prfSalt(input: Uint8Array): Uint8Array {
  return createHash('sha256').update('WebAuthn PRF').update(Buffer.of(0)).update(input).digest();
}

// --- Large blobs ----------------------------------------------------------------------------------------------------

/** The serialized large-blob array: its elements as CBOR, and LEFT(SHA-256 of that, 16). */
export function serializeLargeBlobs(elements: readonly Value[]): Uint8Array {
  return withHash(encode(elements));
}

/** Appends the hash by which an authenticator knows that a large-blob array is whole. */
export function withHash(array: Uint8Array): Uint8Array {
  return Buffer.concat([array, createHash('sha256').update(array).digest().subarray(0, 16)]);
}

/** The elements of a serialized array. @throws Error if its hash does not fit. */
export function parseLargeBlobs(serialized: Uint8Array): readonly Value[] {
  const array = serialized.subarray(0, -16);
  if (!timingSafeEqual(withHash(array), serialized)) throw new Error('large-blob array is damaged');
  const { value, length } = decodeFirst(array);
  if (!Array.isArray(value) || length !== array.length) throw new Error('not one array');
  return value;
}

/** Compresses and encrypts data under a credential's largeBlobKey. */
export function sealLargeBlob(largeBlobKey: Uint8Array, data: Uint8Array): Value {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', largeBlobKey, nonce).setAAD(associatedData(data.length));
  const ciphertext = Buffer.concat([cipher.update(deflateRawSync(data)), cipher.final(), cipher.getAuthTag()]);
  return new Map<Key, Value>([
    [1, ciphertext],
    [2, nonce],
    [3, data.length],
  ]);
}

/** The inverse of `sealLargeBlob`; undefined for an element of another credential. */
export function openLargeBlob(largeBlobKey: Uint8Array, element: Value | undefined): Uint8Array | undefined {
  if (!(element instanceof Map)) return undefined;
  const { 1: ciphertext, 2: nonce, 3: size } = Object.fromEntries(element);
  if (!(ciphertext instanceof Uint8Array && nonce instanceof Uint8Array)) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', largeBlobKey, nonce).setAAD(associatedData(Number(size)));
  decipher.setAuthTag(ciphertext.subarray(-16));
  try {
    return inflateRawSync(Buffer.concat([decipher.update(ciphertext.subarray(0, -16)), decipher.final()]));
  } catch {
    return undefined;
  }
}

function associatedData(size: number): Uint8Array {
  const littleEndian = Buffer.alloc(8);
  littleEndian.writeBigUInt64LE(BigInt(size));
  return Buffer.concat([Buffer.from('blob'), littleEndian]);
}
