// A credential's public key for relying parties that do not read COSE: SubjectPublicKeyInfo in DER.
// WebAuthn §5.2.1.1 asks clients for ES256, EdDSA and RS256; other algorithms have no such form here.

import { createPublicKey, type JsonWebKey } from 'node:crypto';
import { bytes, integer, type MapReader } from '../../ctap/cbor.ts';
import { CoseKey } from '../../ctap/wire.ts';

/** An RSA key's modulus and exponent. RFC 8230 §4. */
const RsaKey = { n: -1, e: -2 } as const;

/** A credential's key as `getPublicKey` and `getPublicKeyAlgorithm` of a browser give it. */
export interface CredentialPublicKey {
  /** COSE number. */
  readonly algorithm: number;
  /** SubjectPublicKeyInfo in DER; undefined for algorithms other than -7, -8 and -257. */
  readonly der: Uint8Array | undefined;
}

/** Reads a decoded COSE_Key. @throws CtapError, or an error of node:crypto, if it is not a key. */
export function readPublicKey(key: MapReader): CredentialPublicKey {
  const algorithm = key.required(CoseKey.alg, integer);
  const jwk = jsonWebKey(algorithm, key);
  const der = jwk && createPublicKey({ key: jwk, format: 'jwk' }).export({ format: 'der', type: 'spki' });
  return { algorithm, der };
}

function jsonWebKey(algorithm: number, key: MapReader): JsonWebKey | undefined {
  const base64url = (label: number) => Buffer.from(key.required(label, bytes)).toString('base64url');
  switch (algorithm) {
    case -7:
      return { kty: 'EC', crv: 'P-256', x: base64url(CoseKey.x), y: base64url(CoseKey.y) };
    case -8:
      return { kty: 'OKP', crv: 'Ed25519', x: base64url(CoseKey.x) };
    case -257:
      return { kty: 'RSA', n: base64url(RsaKey.n), e: base64url(RsaKey.e) };
    default:
      return undefined;
  }
}
