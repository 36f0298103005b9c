// Credential ids. A discoverable credential has a random one. A non-discoverable credential is sealed into its own id,
// so that it needs no storage, and only this device can open it, for the relying party it was made for:
//   version (1) ‖ salt (24) ‖ AES-256-GCM of a CBOR map (…) ‖ tag (16)
// under HMAC-SHA-256(credentialIdKey, label ‖ salt), a key that is used once and so may have a nonce of zeros.

import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { bytes, decodeCbor, encodeCbor, integer, map } from './cbor.ts';
import type { CoseAlgorithm, CredentialSource, Crypto, KeyPair, Vault } from './env.ts';

const version = 0x01;
const saltLength = 24;
const tagLength = 16;
const label = utf8ToBytes('passfob credential id v1');
const nonce = new Uint8Array(12);

/** Keys of the sealed map; later versions may add to it. */
const Sealed = { algorithm: 1, privateKey: 2, publicKey: 3 } as const;

/** A random id of 32 bytes. */
export function randomCredentialId(crypto: Crypto): Uint8Array {
  return crypto.randomBytes(32);
}

/** Seals a key pair into an id of at most 255 bytes, the limit of a U2F key handle; 147 bytes for ES256. */
export function sealCredentialId(
  crypto: Crypto,
  credentialIdKey: Uint8Array,
  rpIdHash: Uint8Array,
  algorithm: CoseAlgorithm,
  keyPair: KeyPair,
): Uint8Array {
  const salt = crypto.randomBytes(saltLength);
  const plaintext = encodeCbor(
    new Map<number, number | Uint8Array>([
      [Sealed.algorithm, algorithm],
      [Sealed.privateKey, keyPair.privateKey],
      [Sealed.publicKey, keyPair.publicKey],
    ]),
  );
  const key = keyOf(crypto, credentialIdKey, salt);
  const sealed = crypto.sealAesGcm(key, nonce, plaintext, associatedData(rpIdHash));
  return concatBytes(Uint8Array.of(version), salt, sealed);
}

/** The credential with this id at this relying party, be it in the vault or in the id itself; otherwise undefined. */
export function findCredential(
  vault: Vault,
  crypto: Crypto,
  rpIdHash: Uint8Array,
  id: Uint8Array,
): CredentialSource | undefined {
  const stored = vault.credential(id);
  if (stored) return crypto.equal(stored.rpIdHash, rpIdHash) ? stored : undefined;
  return openCredentialId(crypto, vault.device.credentialIdKey, rpIdHash, id);
}

/** The inverse of `sealCredentialId`; undefined for any id that this device did not make for this relying party. */
export function openCredentialId(
  crypto: Crypto,
  credentialIdKey: Uint8Array,
  rpIdHash: Uint8Array,
  id: Uint8Array,
): CredentialSource | undefined {
  if (id[0] !== version || id.length <= 1 + saltLength + tagLength || id.length > 255) return undefined;
  const key = keyOf(crypto, credentialIdKey, id.subarray(1, 1 + saltLength));
  const plaintext = crypto.openAesGcm(key, nonce, id.subarray(1 + saltLength), associatedData(rpIdHash));
  if (!plaintext) return undefined;
  const members = map(decodeCbor(plaintext));
  return {
    id,
    rpIdHash,
    algorithm: members.required(Sealed.algorithm, integer),
    privateKey: members.required(Sealed.privateKey, bytes),
    publicKey: members.required(Sealed.publicKey, bytes),
  };
}

function keyOf(crypto: Crypto, credentialIdKey: Uint8Array, salt: Uint8Array): Uint8Array {
  return crypto.hmacSha256(credentialIdKey, concatBytes(label, salt));
}

function associatedData(rpIdHash: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(version), rpIdHash);
}
