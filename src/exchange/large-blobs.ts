// The large-blob array as the platform writes it: which of its elements belongs to a credential only that credential's
// largeBlobKey tells, by opening it. CTAP 2.1 §6.10.3. Elements that nobody here can open stay as they are.

import { type CborValue, decodeCbor, encodeCbor } from '../../ctap/cbor.ts';
import type { Crypto } from '../../ctap/env.ts';
import type { LargeBlob } from './portable.ts';

const Element = { ciphertext: 1, nonce: 2, origSize: 3 } as const;
const nonceBytes = 12;
const hashBytes = 16;
const label = Buffer.from('blob');

/** The elements of a serialized array; undefined if it is not what platforms write. */
export function decodeLargeBlobs(array: Uint8Array): readonly CborValue[] | undefined {
  try {
    const elements = decodeCbor(array.subarray(0, -hashBytes));
    return Array.isArray(elements) ? elements : undefined;
  } catch {
    return undefined;
  }
}

/** Serialized with LEFT(SHA-256, 16) at its end. */
export function encodeLargeBlobs(crypto: Crypto, elements: readonly CborValue[]): Uint8Array {
  const array = encodeCbor(elements);
  return new Uint8Array([...array, ...crypto.sha256(array).subarray(0, hashBytes)]);
}

/** What the element holds, if it is sealed under this key. */
export function openLargeBlob(crypto: Crypto, largeBlobKey: Uint8Array, element: CborValue): LargeBlob | undefined {
  if (!(element instanceof Map)) return undefined;
  const [ciphertext, nonce, origSize] = [Element.ciphertext, Element.nonce, Element.origSize].map((key) =>
    element.get(key),
  );
  if (!(ciphertext instanceof Uint8Array && nonce instanceof Uint8Array && typeof origSize === 'number')) {
    return undefined;
  }
  if (nonce.length !== nonceBytes || origSize < 0) return undefined;
  const data = crypto.openAesGcm(largeBlobKey, nonce, ciphertext, associated(origSize));
  return data && { uncompressedSize: origSize, data };
}

export function sealLargeBlob(crypto: Crypto, largeBlobKey: Uint8Array, blob: LargeBlob): CborValue {
  const nonce = crypto.randomBytes(nonceBytes);
  return new Map<number, CborValue>([
    [Element.ciphertext, crypto.sealAesGcm(largeBlobKey, nonce, blob.data, associated(blob.uncompressedSize))],
    [Element.nonce, nonce],
    [Element.origSize, blob.uncompressedSize],
  ]);
}

/** `blob` and the size, 8 bytes little-endian. */
function associated(origSize: number): Uint8Array {
  const size = Buffer.alloc(8);
  size.writeBigUInt64LE(BigInt(origSize));
  return new Uint8Array(Buffer.concat([label, size]));
}
