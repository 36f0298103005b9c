// Credential ids. A discoverable credential has a random one. A non-discoverable credential is sealed into its own id,
// so that it needs no storage, and only this device can open it, for the relying party it was made for:
//   version (1) ‖ salt (24) ‖ AES-256-GCM of a CBOR map (…) ‖ tag (16)
// under HMAC-SHA-256(sealing key, label ‖ salt), a key that is used once and so may have a nonce of zeros. The version
// tells the credential's kind, and each kind has a sealing key of its own: the one for synced credentials may leave in
// a backup, and opens no others.

import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { boolean, bytes, type CborValue, decodeCbor, encodeCbor, integer, map } from './cbor.ts';
import type { CredentialKind, CredentialSource, CredProtect, CredRandom, Crypto, Vault } from './env.ts';

const versionOf = { 'device-bound': 0x01, synced: 0x02 } as const satisfies Record<CredentialKind, number>;
const saltLength = 24;
const tagLength = 16;
const label = utf8ToBytes('passfob credential id v1');
const syncedLabel = utf8ToBytes('passfob synced credential ids v1');
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
  /** Absent: false. */
  thirdPartyPayment: 4,
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
      [Sealed.thirdPartyPayment, source.thirdPartyPayment ? true : undefined],
    ]),
  );
  const sealingKey = source.kind === 'synced' ? syncedIdKey(crypto, credentialIdKey) : credentialIdKey;
  const version = versionOf[source.kind];
  const key = keyOf(crypto, sealingKey, salt);
  const sealed = crypto.sealAesGcm(key, nonce, plaintext, associatedData(version, source.rpIdHash));
  return concatBytes(Uint8Array.of(version), salt, sealed);
}

/** What seals the ids of synced credentials, 32 bytes: all that a backup needs for them, and of no use for others. */
export function syncedIdKey(crypto: Crypto, credentialIdKey: Uint8Array): Uint8Array {
  return crypto.hmacSha256(credentialIdKey, syncedLabel);
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
  const { credentialIdKey, restoredIdKeys } = vault.device;
  return openCredentialId(crypto, credentialIdKey, rpIdHash, id, restoredIdKeys);
}

/**
 * The inverse of `sealCredentialId`; undefined for any id that neither this device made for this relying party, nor,
 * if it is a synced one, a device whose key is among `restoredIdKeys`.
 */
export function openCredentialId(
  crypto: Crypto,
  credentialIdKey: Uint8Array,
  rpIdHash: Uint8Array,
  id: Uint8Array,
  restoredIdKeys: readonly Uint8Array[] = [],
): CredentialSource | undefined {
  if (id.length <= 1 + saltLength + tagLength || id.length > 255) return undefined;
  switch (id[0]) {
    case versionOf['device-bound']:
      return openWith(crypto, [credentialIdKey], 'device-bound', rpIdHash, id);
    case versionOf.synced:
      return openWith(crypto, [syncedIdKey(crypto, credentialIdKey), ...restoredIdKeys], 'synced', rpIdHash, id);
    default:
      return undefined;
  }
}

function openWith(
  crypto: Crypto,
  sealingKeys: readonly Uint8Array[],
  kind: CredentialKind,
  rpIdHash: Uint8Array,
  id: Uint8Array,
): CredentialSource | undefined {
  const salt = id.subarray(1, 1 + saltLength);
  const sealed = id.subarray(1 + saltLength);
  const associated = associatedData(versionOf[kind], rpIdHash);
  for (const sealingKey of sealingKeys) {
    const plaintext = crypto.openAesGcm(keyOf(crypto, sealingKey, salt), nonce, sealed, associated);
    if (plaintext) return readSource(crypto, plaintext, kind, rpIdHash, id);
  }
  return undefined;
}

function readSource(
  crypto: Crypto,
  plaintext: Uint8Array,
  kind: CredentialKind,
  rpIdHash: Uint8Array,
  id: Uint8Array,
): CredentialSource {
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
    kind,
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

function keyOf(crypto: Crypto, sealingKey: Uint8Array, salt: Uint8Array): Uint8Array {
  return crypto.hmacSha256(sealingKey, concatBytes(label, salt));
}

function associatedData(version: number, rpIdHash: Uint8Array): Uint8Array {
  return concatBytes(Uint8Array.of(version), rpIdHash);
}
