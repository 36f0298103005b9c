// Keys as people's other tools read them: JSON Web Keys, RFC 7517 and 7518.

import type { CredentialSource } from '../ctap/env.ts';
import type { JsonWebKey } from './control/operations.ts';
import { UserError } from './errors.ts';

/** The public key of a credential. */
export function publicJwk({ algorithm, publicKey }: CredentialSource): JsonWebKey {
  if (algorithm !== -7) throw new UserError(`cannot write a key of the algorithm ${algorithm} as a JSON Web Key`);
  return { kty: 'EC', crv: 'P-256', x: base64url(publicKey.subarray(1, 33)), y: base64url(publicKey.subarray(33, 65)) };
}

/** The whole key pair of a credential: a secret. */
export function privateJwk(credential: CredentialSource): JsonWebKey {
  return { ...publicJwk(credential), d: base64url(credential.privateKey) };
}

export function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}
