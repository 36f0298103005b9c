// The independent client's public keys: imports COSE keys strictly, verifies with node:crypto. With the hash that all
// of the client uses.

import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { Key, Value } from './cbor.ts';

export function sha256(data: Uint8Array | string): Uint8Array {
  return createHash('sha256').update(data).digest();
}

/** A public key that relying parties verify with. */
export interface PublicKey {
  readonly alg: number;
  /** Where node:crypto knows the algorithm. */
  readonly key?: KeyObject;
  verify(signed: Uint8Array, signature: Uint8Array): boolean;
}

/** WebAuthn §5.8.5: COSE algorithm and curve to JWK curve, bytes of a coordinate, hash. */
const ec2: Readonly<Record<string, readonly [crv: string, size: number, hash: string]>> = {
  '-7,1': ['P-256', 32, 'sha256'],
  '-35,2': ['P-384', 48, 'sha384'],
  '-36,3': ['P-521', 66, 'sha512'],
  '-47,8': ['secp256k1', 32, 'sha256'],
};

const mlDsaKeyBytes: Readonly<Record<number, number>> = { [-48]: 1312, [-49]: 1952 };

/** Where OpenSSL has no ML-DSA, a test may lend an implementation. */
export const postQuantum: {
  verify?: (alg: number, publicKey: Uint8Array, signed: Uint8Array, signature: Uint8Array) => boolean;
} = {};

/** Imports a COSE_Key and insists on exactly the members of its key type, and on full-length coordinates. */
export function importCoseKey(coseKey: ReadonlyMap<Key, Value>): PublicKey {
  const [kty, alg, crv, x, y] = [1, 3, -1, -2, -3].map((label) => coseKey.get(label));
  if (typeof alg !== 'number') throw new Error('no alg');
  if (kty === 2) {
    const [name, size, hash] = ec2[`${alg},${String(crv)}`] ?? [];
    if (!name || coseKey.size !== 5) throw new Error(`not an EC2 key of ${alg}`);
    const jwk = { kty: 'EC', crv: name, x: field(x, size), y: field(y, size) };
    return imported(alg, createPublicKey({ key: jwk, format: 'jwk' }), hash);
  }
  if (kty === 1) {
    if (alg !== -8 || crv !== 6 || coseKey.size !== 4) throw new Error(`not an Ed25519 key: ${alg}`);
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: field(x, 32) };
    return imported(alg, createPublicKey({ key: jwk, format: 'jwk' }), undefined);
  }
  if (kty !== 7 || coseKey.size !== 3) throw new Error(`key type ${String(kty)}`);
  const pub = field(crv, mlDsaKeyBytes[alg]);
  const { verify: lent } = postQuantum;
  if (lent) return { alg, verify: (signed, signature) => lent(alg, Buffer.from(pub, 'base64url'), signed, signature) };
  const jwk = { kty: 'AKP', alg: alg === -48 ? 'ML-DSA-44' : 'ML-DSA-65', pub };
  return imported(alg, createPublicKey({ key: jwk, format: 'jwk' }), undefined);
}

function field(value: Value | undefined, size: number | undefined): string {
  if (!(value instanceof Uint8Array) || value.length !== size) throw new Error(`expected ${size} bytes of public key`);
  return Buffer.from(value).toString('base64url');
}

/** A key as relying parties use it. */
export function imported(alg: number, key: KeyObject, hash: string | undefined): PublicKey {
  return { alg, key, verify: (signed, signature) => verify(hash, signed, key, signature) };
}
