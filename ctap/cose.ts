// Public keys as COSE_Key maps: one entry for each algorithm this authenticator can make keys for.
// CTAP 2.1 §6.1, WebAuthn §5.8.5, RFC 9053.

import type { CborMap } from './cbor.ts';
import type { CoseAlgorithm, Crypto } from './env.ts';
import type { Policy } from './policy.ts';
import { CoseAlg, CoseCrv, CoseKey, CoseKty } from './wire.ts';

/** From the raw form that `Crypto.generateKeyPair` makes to the members of a COSE_Key. */
const encoders: ReadonlyMap<CoseAlgorithm, (publicKey: Uint8Array) => CborMap> = new Map([
  [
    CoseAlg.ES256,
    (publicKey: Uint8Array) =>
      new Map<number, number | Uint8Array>([
        [CoseKey.kty, CoseKty.EC2],
        [CoseKey.alg, CoseAlg.ES256],
        [CoseKey.crv, CoseCrv.P256],
        [CoseKey.x, publicKey.subarray(1, 33)],
        [CoseKey.y, publicKey.subarray(33, 65)],
      ]),
  ],
]);

/** The COSE_Key of a public key; `publicKey` in the raw form of `Crypto.generateKeyPair`. */
export function coseKey(algorithm: CoseAlgorithm, publicKey: Uint8Array): CborMap {
  const encode = encoders.get(algorithm);
  if (!encode) throw new RangeError(`no cose key for algorithm ${algorithm}`);
  return encode(publicKey);
}

/** What new credentials may use: wanted by the policy, known here, possible with the crypto back end. Preference order. */
export function usableAlgorithms(policy: Policy, crypto: Crypto): readonly CoseAlgorithm[] {
  return policy.algorithms.filter((algorithm) => encoders.has(algorithm) && crypto.algorithms.includes(algorithm));
}
