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

/** rpIdHash (32 bytes), flags (1), signCount (4, big-endian), then the attested credential, whose flag AT it sets. */
export function encodeAuthenticatorData(
  rpIdHash: Uint8Array,
  flags: number,
  signCount: number,
  attested?: AttestedCredential,
): Uint8Array {
  const head = new Uint8Array(37);
  head.set(rpIdHash);
  head[32] = attested ? flags | Flag.AT : flags;
  new DataView(head.buffer).setUint32(33, signCount);
  if (!attested) return head;
  const { aaguid, credentialId } = attested;
  const length = Uint8Array.of(credentialId.length >> 8, credentialId.length & 0xff);
  return concatBytes(head, aaguid, length, credentialId, encodeCbor(attested.coseKey));
}
