// Keys as OpenSSL and people's other tools read them: JSON Web Keys. RFC 7517, 7518 §6.2, 8037, 8812; for ML-DSA the
// key type AKP of the IANA JOSE registry.

import type { CoseAlgorithm, KeyPair } from '../ctap/env.ts';
import { CoseAlg } from '../ctap/wire.ts';

/** The members that say what kind of key it is; the others are base64url. */
type JwkKind =
  | { readonly kty: 'EC'; readonly crv: string }
  | { readonly kty: 'OKP'; readonly crv: string }
  | { readonly kty: 'AKP'; readonly alg: string };

/** Its members: `kty` and what belongs to it. */
export type JsonWebKey = Readonly<Record<string, string>>;

const kinds: ReadonlyMap<CoseAlgorithm, JwkKind> = new Map<CoseAlgorithm, JwkKind>([
  [CoseAlg.ES256, { kty: 'EC', crv: 'P-256' }],
  [CoseAlg.EdDSA, { kty: 'OKP', crv: 'Ed25519' }],
  [CoseAlg.ES384, { kty: 'EC', crv: 'P-384' }],
  [CoseAlg.ES512, { kty: 'EC', crv: 'P-521' }],
  [CoseAlg.ES256K, { kty: 'EC', crv: 'secp256k1' }],
  [CoseAlg['ML-DSA-44'], { kty: 'AKP', alg: 'ML-DSA-44' }],
  [CoseAlg['ML-DSA-65'], { kty: 'AKP', alg: 'ML-DSA-65' }],
]);

/** The public half of a key pair, which is in the raw form of `Crypto.generateKeyPair`. */
export function publicJwk(algorithm: CoseAlgorithm, { publicKey }: Pick<KeyPair, 'publicKey'>): JsonWebKey {
  const kind = kindOf(algorithm);
  switch (kind.kty) {
    case 'EC': {
      if (publicKey[0] !== 0x04) throw new RangeError('expected an uncompressed point');
      const middle = (publicKey.length + 1) / 2;
      return { ...kind, x: base64url(publicKey.subarray(1, middle)), y: base64url(publicKey.subarray(middle)) };
    }
    case 'OKP':
      return { ...kind, x: base64url(publicKey) };
    case 'AKP':
      return { ...kind, pub: base64url(publicKey) };
  }
}

/** The whole key pair: a secret. */
export function privateJwk(algorithm: CoseAlgorithm, keyPair: KeyPair): JsonWebKey {
  const name = kindOf(algorithm).kty === 'AKP' ? 'priv' : 'd';
  return { ...publicJwk(algorithm, keyPair), [name]: base64url(keyPair.privateKey) };
}

/** The inverse of `privateJwk`. */
export function keyPairOf({ kty, x = '', y = '', d = '', pub = '', priv = '' }: JsonWebKey): KeyPair {
  switch (kty) {
    case 'EC':
      return { privateKey: decode(d), publicKey: Uint8Array.of(0x04, ...decode(x), ...decode(y)) };
    case 'OKP':
      return { privateKey: decode(d), publicKey: decode(x) };
    default:
      return { privateKey: decode(priv), publicKey: decode(pub) };
  }
}

/** The algorithm whose keys look like this one; undefined if there is none. */
export function algorithmOf({ kty, crv, alg }: JsonWebKey): CoseAlgorithm | undefined {
  for (const [algorithm, kind] of kinds) {
    if (kind.kty === kty && (kind.kty === 'AKP' ? kind.alg === alg : kind.crv === crv)) return algorithm;
  }
  return undefined;
}

export function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

function decode(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64url'));
}

function kindOf(algorithm: CoseAlgorithm): JwkKind {
  const kind = kinds.get(algorithm);
  if (!kind) throw new RangeError(`no json web key for algorithm ${algorithm}`);
  return kind;
}
