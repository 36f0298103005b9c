// Attestation statements: packed self attestation, or none. A certificate of this installation would be a handle
// to track people by, so there is none. WebAuthn §8.2, §8.7; CTAP 2.2 §6.1.2 step 19.

import { concatBytes } from '@noble/hashes/utils.js';
import type { CborMap } from './cbor.ts';
import type { CoseAlgorithm, Crypto, KeyPair } from './env.ts';

const formats = ['packed', 'none'] as const;
export type AttestationFormat = (typeof formats)[number];

/** The supported format that stands first in attestationFormatsPreference, otherwise packed. */
export function chooseAttestationFormat(preference: readonly string[] = []): AttestationFormat {
  for (const wanted of preference) {
    const format = formats.find((name) => name === wanted);
    if (format) return format;
  }
  return 'packed';
}

/** The attStmt map. Packed self attestation is signed by the credential's own key, and so bears its algorithm. */
export function attestationStatement(
  format: AttestationFormat,
  crypto: Crypto,
  algorithm: CoseAlgorithm,
  keyPair: KeyPair,
  authData: Uint8Array,
  clientDataHash: Uint8Array,
): CborMap {
  if (format === 'none') return new Map();
  return new Map<string, number | Uint8Array>([
    ['alg', algorithm],
    ['sig', crypto.sign(algorithm, keyPair, concatBytes(authData, clientDataHash))],
  ]);
}
