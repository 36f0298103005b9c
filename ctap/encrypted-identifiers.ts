// encIdentifier and encCredStoreState: only a platform that holds the persistent token can recognise the key by them,
// or see that its credentials have changed. CTAP 2.2 §6.4, CTAP 2.3 §6.4.

import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import type { Crypto, DeviceState } from './env.ts';

/** IV and AES-128-CBC of 16 bytes, each 32 bytes in all; undefined while no platform holds the token. */
export function encryptIdentifiers(
  crypto: Crypto,
  { persistentPinUvAuthToken, deviceIdentifier, credentialStoreState }: DeviceState,
): { encIdentifier: Uint8Array | undefined; encCredStoreState: Uint8Array | undefined } {
  const encrypt = (info: string, identifier: Uint8Array) => {
    if (!persistentPinUvAuthToken) return undefined;
    const key = crypto.hkdfSha256(persistentPinUvAuthToken, new Uint8Array(32), utf8ToBytes(info), 16);
    const iv = crypto.randomBytes(16);
    return concatBytes(iv, crypto.encryptAesCbc(key, iv, identifier));
  };
  return {
    encIdentifier: encrypt('encIdentifier', deviceIdentifier),
    encCredStoreState: encrypt('encCredStoreState', credentialStoreState),
  };
}
