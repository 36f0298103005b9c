// The credential that a registration brings: attested credential data inside authenticator data. WebAuthn §6.5.1.

import { arrayOf, decodeCbor, map } from '../../ctap/cbor.ts';
import { Flag } from '../../ctap/wire.ts';
import { type CredentialPublicKey, readPublicKey } from './public-key.ts';

export interface AttestedCredential {
  readonly credentialId: Uint8Array;
  readonly publicKey: CredentialPublicKey;
}

const flagsOffset = 32;
const credentialIdLengthOffset = 53;
const credentialIdOffset = 55;

/** Reads it from authenticator data. @throws CtapError, or RangeError, if there is none or it is cut short. */
export function readAttestedCredential(authData: Uint8Array): AttestedCredential {
  const view = new DataView(authData.buffer, authData.byteOffset, authData.byteLength);
  const flags = view.getUint8(flagsOffset);
  if ((flags & Flag.AT) === 0) {
    throw new RangeError('expected authenticator data with a new credential, got none');
  }
  const keyOffset = credentialIdOffset + view.getUint16(credentialIdLengthOffset);
  // The key and, if there are any, the extension outputs follow without a length: as one array they can be decoded.
  const itemCount = (flags & Flag.ED) === 0 ? 1 : 2;
  const [key] = arrayOf(map)(decodeCbor(Uint8Array.of(0x80 | itemCount, ...authData.subarray(keyOffset))));
  if (key === undefined) {
    throw new RangeError('expected a public key after the credential id, got none');
  }
  return { credentialId: authData.slice(credentialIdOffset, keyOffset), publicKey: readPublicKey(key) };
}
