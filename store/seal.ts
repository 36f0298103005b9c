// Bytes to sealed bytes: XChaCha20-Poly1305 under keys that HKDF derives from the root key, and the HMAC that hides
// which sites and credentials a record key stands for. Pure; the layout is in docs/store-format.md.

import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { VaultError } from './vault-error.ts';

const sealVersion = 1;
const nonceBytes = 24;
const tagBytes = 16;

/** The keys of an open vault, 32 bytes each; one purpose, one key. */
export interface VaultKeys {
  readonly seal: Uint8Array;
  readonly names: Uint8Array;
}

/** Derives the keys of a vault from its root key (32 bytes). RFC 5869, SHA-256, no salt. */
export function deriveKeys(rootKey: Uint8Array): VaultKeys {
  const derive = (label: string) => new Uint8Array(hkdfSync('sha256', rootKey, new Uint8Array(), label, 32));
  return { seal: derive('passfob vault 1: seal records'), names: derive('passfob vault 1: name records') };
}

/** Seals a record for its place in the vault: version (1 byte), nonce (24), ciphertext, tag (16). */
export function sealRecord(
  sealKey: Uint8Array,
  recordKey: Uint8Array,
  plaintext: Uint8Array,
  nonce: Uint8Array = randomBytes(nonceBytes),
): Uint8Array {
  const ciphertext = xchacha20poly1305(sealKey, nonce, associated(recordKey)).encrypt(plaintext);
  return Buffer.concat([Uint8Array.of(sealVersion), nonce, ciphertext]);
}

/**
 * The inverse of `sealRecord`.
 * @throws VaultError `corrupt` if a byte of it changed or it was moved. Another version is damage, too: a passfob that
 *   seals differently raises the format of the header.
 */
export function openRecord(sealKey: Uint8Array, recordKey: Uint8Array, sealed: Uint8Array): Uint8Array {
  const record = Buffer.from(recordKey).toString('hex');
  if (sealed.length < 1 + nonceBytes + tagBytes) {
    throw new VaultError('corrupt', `record ${record} is cut short`, { record });
  }
  if (sealed[0] !== sealVersion) {
    throw new VaultError('corrupt', `record ${record} is damaged: expected version ${sealVersion}, got ${sealed[0]}`, {
      record,
    });
  }
  const nonce = sealed.subarray(1, 1 + nonceBytes);
  try {
    return xchacha20poly1305(sealKey, nonce, associated(recordKey)).decrypt(sealed.subarray(1 + nonceBytes));
  } catch {
    throw new VaultError('corrupt', `record ${record} is damaged`, { record });
  }
}

/** A name of 16 bytes that shows nothing of what it stands for. `kind` keeps names of different things apart. */
export function nameOf(namesKey: Uint8Array, kind: 'rpIdHash' | 'credentialId', value: Uint8Array): Uint8Array {
  const digest = createHmac('sha256', namesKey).update(kind).update(Uint8Array.of(0)).update(value).digest();
  return new Uint8Array(digest.subarray(0, 16));
}

/** Binds a sealed record to its place, so that records cannot be exchanged for one another. */
function associated(recordKey: Uint8Array): Uint8Array {
  return Buffer.concat([Uint8Array.of(sealVersion), recordKey]);
}
