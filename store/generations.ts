// Generations of keys: `vault rekey` makes a new root key and moves records to it one after the other, so that for a while
// there are two. Which one a record belongs to shows in the first byte of its key: the lowest bit of the generation.

import { hkdfSync, randomBytes } from 'node:crypto';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import type { Header } from './header.ts';
import { deriveKeys, type VaultKeys } from './seal.ts';
import { pinnedCopy } from './secrets.ts';
import { VaultError } from './vault-error.ts';

const nonceBytes = 24;
const previousKeyLabel = 'passfob vault 2: keep previous root key';

export interface Generation {
  readonly number: number;
  readonly keys: VaultKeys;
}

/** The keys of an open vault: of new records and, while a rekeying is under way, of those that were not moved yet. */
export interface Generations {
  readonly current: Generation;
  readonly previous: Generation | undefined;
}

/** @throws VaultError `corrupt` if the header's previous key does not belong to this root key. */
export function generationsOf(header: Header, rootKey: Uint8Array): Generations {
  const { generation, previousKey } = header;
  const current = { number: generation, keys: deriveKeys(rootKey) };
  if (!previousKey) return { current, previous: undefined };
  const previousRootKey = openPreviousKey(previousKey, rootKey, generation);
  const previous = { number: generation - 1, keys: deriveKeys(previousRootKey) };
  previousRootKey.fill(0);
  return { current, previous };
}

/** The root key before, sealed under the new one: nonce (24 bytes), ciphertext (32), tag (16). */
export function sealPreviousKey(previousRootKey: Uint8Array, rootKey: Uint8Array, generation: number): Uint8Array {
  const nonce = randomBytes(nonceBytes);
  const sealed = withCipher(rootKey, nonce, generation, (cipher) => cipher.encrypt(previousRootKey));
  return Uint8Array.from(Buffer.concat([nonce, sealed]));
}

function openPreviousKey(sealed: Uint8Array, rootKey: Uint8Array, generation: number): Uint8Array {
  try {
    return withCipher(rootKey, sealed.subarray(0, nonceBytes), generation, (cipher) =>
      cipher.decrypt(sealed.subarray(nonceBytes)),
    );
  } catch {
    throw new VaultError('corrupt', 'the header does not hold the key of the generation before');
  }
}

function withCipher(
  rootKey: Uint8Array,
  nonce: Uint8Array,
  generation: number,
  use: (cipher: ReturnType<typeof xchacha20poly1305>) => Uint8Array,
): Uint8Array {
  const key = new Uint8Array(hkdfSync('sha256', rootKey, new Uint8Array(), previousKeyLabel, 32));
  const number = Buffer.alloc(4);
  number.writeUInt32BE(generation);
  try {
    return use(xchacha20poly1305(key, nonce, number));
  } finally {
    key.fill(0);
  }
}

export function copyOf({ number, keys }: Generation): Generation {
  return { number, keys: { seal: pinnedCopy(keys.seal), names: pinnedCopy(keys.names) } };
}

export function wipeAllOf({ current, previous }: Generations): void {
  for (const generation of [current, previous]) if (generation) wipe(generation);
}

export function wipe({ keys }: Generation): void {
  keys.seal.fill(0);
  keys.names.fill(0);
}
