// Public keys as COSE_Key maps: one entry for each algorithm this authenticator can make keys for.
// CTAP 2.1 §6.1, WebAuthn §5.8.5, RFC 9053; ML-DSA as the IANA COSE registry has it.

import type { CborMap } from './cbor.ts';
import type { CoseAlgorithm, Crypto } from './env.ts';
import type { Policy } from './policy.ts';
import { CoseAlg, CoseCrv, CoseKey, CoseKty } from './wire.ts';

type Encoder = (algorithm: CoseAlgorithm, publicKey: Uint8Array) => CborMap;

const encoders: ReadonlyMap<CoseAlgorithm, Encoder> = new Map([
  [CoseAlg.ES256, point(CoseCrv.P256)],
  [CoseAlg.EdDSA, octetKey(CoseCrv.Ed25519)],
  [CoseAlg.ES384, point(CoseCrv.P384)],
  [CoseAlg.ES512, point(CoseCrv.P521)],
  [CoseAlg.ES256K, point(CoseCrv.secp256k1)],
  [CoseAlg['ML-DSA-44'], algorithmKey],
  [CoseAlg['ML-DSA-65'], algorithmKey],
]);

/** The COSE_Key of a public key; `publicKey` in the raw form of `Crypto.generateKeyPair`. */
export function coseKey(algorithm: CoseAlgorithm, publicKey: Uint8Array): CborMap {
  const encode = encoders.get(algorithm);
  if (!encode) throw new RangeError(`no cose key for algorithm ${algorithm}`);
  return encode(algorithm, publicKey);
}

/** What new credentials may use: wanted by the policy, known here, possible with the crypto back end. */
export function usableAlgorithms(policy: Policy, crypto: Crypto): readonly CoseAlgorithm[] {
  return policy.algorithms.filter((algorithm) => encoders.has(algorithm) && crypto.algorithms.includes(algorithm));
}

/** The part of the usable algorithms that getInfo names, most preferred first. */
export function advertisedAlgorithms(policy: Policy, crypto: Crypto): readonly CoseAlgorithm[] {
  const usable = usableAlgorithms(policy, crypto);
  return policy.advertisedAlgorithms.filter((algorithm) => usable.includes(algorithm));
}

/** The registered name of a COSE algorithm number, or the number itself. */
export function algorithmName(algorithm: CoseAlgorithm): string {
  return Object.entries(CoseAlg).find(([, number]) => number === algorithm)?.[0] ?? String(algorithm);
}

/** An uncompressed point of `curve`: 04, x, y. */
function point(curve: number): Encoder {
  return (algorithm, publicKey) => {
    const middle = (publicKey.length + 1) / 2;
    return new Map<number, number | Uint8Array>([
      [CoseKey.kty, CoseKty.EC2],
      [CoseKey.alg, algorithm],
      [CoseKey.crv, curve],
      [CoseKey.x, publicKey.subarray(1, middle)],
      [CoseKey.y, publicKey.subarray(middle)],
    ]);
  };
}

function octetKey(curve: number): Encoder {
  return (algorithm, publicKey) =>
    new Map<number, number | Uint8Array>([
      [CoseKey.kty, CoseKty.OKP],
      [CoseKey.alg, algorithm],
      [CoseKey.crv, curve],
      [CoseKey.x, publicKey],
    ]);
}

function algorithmKey(algorithm: CoseAlgorithm, publicKey: Uint8Array): CborMap {
  return new Map<number, number | Uint8Array>([
    [CoseKey.kty, CoseKty.AKP],
    [CoseKey.alg, algorithm],
    [CoseKey.pub, publicKey],
  ]);
}
