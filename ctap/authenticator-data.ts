// Authenticator data: what an authenticator signs about itself in every registration and assertion. WebAuthn §6.1.

import { concatBytes } from '@noble/hashes/utils.js';
import { type CborMap, encodeCbor } from './cbor.ts';
import { Flag } from './wire.ts';

/** The part that only registrations have. WebAuthn §6.5.2. */
export interface AttestedCredential {
  /** 16 bytes. */
  readonly aaguid: Uint8Array;
  readonly credentialId: Uint8Array;
  readonly coseKey: CborMap;
}

/**
 * rpIdHash (32 bytes), flags (1), signCount (4, big-endian), then the attested credential and the outputs of extensions,
 * as far as there are any; the flags AT and ED say so and are set here.
 */
export function encodeAuthenticatorData(
  rpIdHash: Uint8Array,
  flags: number,
  signCount: number,
  attested?: AttestedCredential,
  extensions?: CborMap,
): Uint8Array {
  const head = new Uint8Array(37);
  head.set(rpIdHash);
  head[32] = flags | (attested ? Flag.AT : 0) | (extensions ? Flag.ED : 0);
  new DataView(head.buffer).setUint32(33, signCount);
  return concatBytes(
    head,
    attested ? encodeAttestedCredential(attested) : new Uint8Array(),
    extensions ? encodeCbor(extensions) : new Uint8Array(),
  );
}

/** aaguid (16 bytes), length of the id (2, big-endian), id, COSE_Key. WebAuthn §6.5.2. */
function encodeAttestedCredential({ aaguid, credentialId, coseKey }: AttestedCredential): Uint8Array {
  const length = Uint8Array.of(credentialId.length >> 8, credentialId.length & 0xff);
  return concatBytes(aaguid, length, credentialId, encodeCbor(coseKey));
}
