// Credential ids. A discoverable credential has a random one. A non-discoverable credential is sealed into its own id,
// so that it needs no storage, and only this device can open it, for the relying party it was made for:
//   version (1) ‖ salt (24) ‖ AES-256-GCM of a CBOR map (…) ‖ tag (16)
// under HMAC-SHA-256(credentialIdKey, label ‖ salt), a key that is used once and so may have a nonce of zeros.

import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { boolean, bytes, type CborValue, decodeCbor, encodeCbor, integer, map } from './cbor.ts';
import type { CredentialSource, CredProtect, CredRandom, Crypto, Vault } from './env.ts';

const version = 0x01;
const saltLength = 24;
const tagLength = 16;
const label = utf8ToBytes('passfob credential id v1');
const nonce = new Uint8Array(12);
const credRandomLabel = {
  withUV: utf8ToBytes('passfob hmac-secret with UV v1'),
  withoutUV: utf8ToBytes('passfob hmac-secret without UV v1'),
} as const;

/** Keys of the sealed map; later versions may add to it. What has its usual value is left out. */
const Sealed = {
  algorithm: 1,
  privateKey: 2,
  /** Absent: 1. */
  credProtect: 3,
  /** Absent: device-bound. */
  isSynced: 4,
  /** Absent: false. */
  thirdPartyPayment: 5,
} as const;

/** What is sealed; the rest of a CredentialSource follows from it, the public key too: ids stay short that way. */
export type SealedSource = Omit<CredentialSource, 'id' | 'publicKey' | 'credRandom'>;

/** A random id of 32 bytes. */
export function randomCredentialId(crypto: Crypto): Uint8Array {
  return crypto.randomBytes(32);
}

/** Seals a credential into an id of at most 255 bytes, the limit of a U2F key handle; 79 bytes for plain ES256. */
export function sealCredentialId(crypto: Crypto, credentialIdKey: Uint8Array, source: SealedSource): Uint8Array {
  const salt = crypto.randomBytes(saltLength);
  const plaintext = encodeCbor(
    new Map<number, CborValue | undefined>([
      [Sealed.algorithm, source.algorithm],
      [Sealed.privateKey, source.privateKey],
      [Sealed.credProtect, source.credProtect === 1 ? undefined : source.credProtect],
      [Sealed.isSynced, source.kind === 'synced' ? true : undefined],
      [Sealed.thirdPartyPayment, source.thirdPartyPayment ? true : undefined],
    ]),
  );
  const key = keyOf(crypto, credentialIdKey, salt);
  const sealed = crypto.sealAesGcm(key, nonce, plaintext, associatedData(source.rpIdHash));
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
  const algorithm = members.required(Sealed.algorithm, integer);
  const privateKey = members.required(Sealed.privateKey, bytes);
  return {
    id,
    rpIdHash,
    algorithm,
    privateKey,
    // Both cost more than the rest together, and a sign-in mostly needs neither.
    get publicKey() {
      return crypto.publicKeyOf(algorithm, privateKey);
    },
    get credRandom() {
      return sealedCredRandom(crypto, privateKey);
    },
    credProtect: readCredProtect(members.optional(Sealed.credProtect, integer)),
    kind: members.optional(Sealed.isSynced, boolean) ? 'synced' : 'device-bound',
    thirdPartyPayment: members.optional(Sealed.thirdPartyPayment, boolean) ?? false,
  };
}

/**
 * The secrets of hmac-secret of a credential that is sealed in its id. They are not sealed with it, so that the id stays
 * short, but follow from the private key, which no one else knows.
 */
export function sealedCredRandom(crypto: Crypto, privateKey: Uint8Array): CredRandom {
  return {
    withUV: crypto.hmacSha256(privateKey, credRandomLabel.withUV),
    withoutUV: crypto.hmacSha256(privateKey, credRandomLabel.withoutUV),
  };
}

/** What this version does not know is taken for the strictest. */
function readCredProtect(level: number | undefined): CredProtect {
  return level === undefined ? 1 : level === 2 ? 2 : 3;
}

function keyOf(crypto: Crypto, credentialIdKey: Uint8Array, salt: Uint8Array): Uint8Array {
  return crypto.hmacSha256(credentialIdKey, concatBytes(label, salt));
}

function associatedData(rpIdHash: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(version), rpIdHash);
}
