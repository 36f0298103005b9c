// Private keys in the forms that files have them in: JSON Web Key, and PKCS#8 as DER or PEM. RFC 7517, RFC 5958.

import { createPrivateKey, type KeyObject } from 'node:crypto';
import { algorithmName } from '../../ctap/cose.ts';
import type { CoseAlgorithm, KeyPair } from '../../ctap/env.ts';
import { CoseAlg } from '../../ctap/wire.ts';
import { UserError } from '../errors.ts';
import { algorithmOf, base64url, type JsonWebKey, keyPairOf, privateJwk } from '../jwk.ts';
import { createOpensslCrypto } from '../openssl.ts';
import type { JsonReader } from './json-reader.ts';

/** A key pair and what it signs with; raw forms as `Crypto.generateKeyPair` makes them. */
export interface CredentialKey extends KeyPair {
  readonly algorithm: CoseAlgorithm;
}

const openssl = createOpensslCrypto();

const privateKeyBytes: Readonly<Record<CoseAlgorithm, number>> = {
  [CoseAlg.ES384]: 48,
  [CoseAlg.ES512]: 66,
};

/** A private JSON Web Key whose halves belong together. @throws UserError with the path of what is wrong */
export function readJwk(reader: JsonReader): CredentialKey {
  const jwk: Record<string, string> = {};
  for (const name of ['kty', 'crv', 'alg']) {
    const value = reader.optional(name)?.text();
    if (value !== undefined) jwk[name] = value;
  }
  for (const name of ['x', 'y', 'd', 'pub', 'priv']) {
    const value = reader.optional(name)?.bytes();
    if (value) jwk[name] = base64url(value);
  }
  const algorithm = algorithmOf(jwk);
  if (algorithm === undefined) return reader.refuse('the key of an algorithm that passfob has', 'another one');
  return soundKey(reader, algorithm, keyPairOf(jwk));
}

/** PKCS#8 in DER. @throws UserError with the path of what is wrong */
export function readPkcs8(reader: JsonReader): CredentialKey {
  return keyOf(reader, Buffer.from(reader.bytes(1)));
}

/** PKCS#8 in PEM. @throws UserError with the path of what is wrong */
export function readPem(reader: JsonReader): CredentialKey {
  const [, body] = /^-----BEGIN PRIVATE KEY-----([^-]+)-----END PRIVATE KEY-----$/.exec(reader.text().trim()) ?? [];
  const base64 = body?.replaceAll(/\s/g, '') ?? '';
  const der = Buffer.from(base64, 'base64');
  if (base64 === '' || der.toString('base64') !== base64) return reader.refuse('a private key in PEM (PKCS#8)');
  return keyOf(reader, der);
}

export function pkcs8(key: CredentialKey): Uint8Array {
  return new Uint8Array(keyObject(key).export({ format: 'der', type: 'pkcs8' }));
}

export function pem(key: CredentialKey): string {
  return keyObject(key).export({ format: 'pem', type: 'pkcs8' }).toString();
}

/** @throws UserError where this Node's OpenSSL cannot write the key, as ML-DSA before OpenSSL 3.5 */
function keyObject({ algorithm, ...keyPair }: CredentialKey): KeyObject {
  if (openssl.algorithms.includes(algorithm)) {
    return createPrivateKey({ key: privateJwk(algorithm, keyPair), format: 'jwk' });
  }
  throw new UserError(`this Node.js cannot write keys of ${algorithmName(algorithm)}`, 'use a newer Node.js');
}

function keyOf(reader: JsonReader, der: Buffer): CredentialKey {
  const object = importKey(reader, der);
  const jwk = toJwk(object);
  const algorithm = jwk && algorithmOf(jwk);
  if (!jwk || algorithm === undefined) {
    const { namedCurve } = object.asymmetricKeyDetails ?? {};
    return reader.refuse('a key for ECDSA or Ed25519', namedCurve ?? object.asymmetricKeyType ?? 'another');
  }
  return soundKey(reader, algorithm, keyPairOf(jwk));
}

function importKey(reader: JsonReader, der: Buffer): KeyObject {
  try {
    if (derLength(der) === der.length) return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' });
  } catch {
    // refused below
  }
  return reader.refuse('a private key in PKCS#8', 'something else, or a damaged one');
}

/** Of the value that the bytes begin with, which OpenSSL reads whatever follows it. X.690 §8.1.3. @throws RangeError */
function derLength(der: Buffer): number {
  const first = der.readUInt8(1);
  if (first < 0x80) return 2 + first;
  const lengthBytes = first & 0x7f;
  return 2 + lengthBytes + der.readUIntBE(2, lengthBytes);
}

/** Undefined for kinds of keys that JSON Web Keys do not have. */
function toJwk(key: KeyObject): JsonWebKey | undefined {
  try {
    return key.export({ format: 'jwk' }) as JsonWebKey;
  } catch {
    return undefined;
  }
}

function soundKey(reader: JsonReader, algorithm: CoseAlgorithm, keyPair: KeyPair): CredentialKey {
  return belongTogether(algorithm, keyPair) ? { algorithm, ...keyPair } : reader.refuse('a sound key', 'a broken one');
}

/** What this Node's OpenSSL does not know, ML-DSA perhaps, is taken on trust. */
function belongTogether(algorithm: CoseAlgorithm, { privateKey, publicKey }: KeyPair): boolean {
  if (privateKey.length !== (privateKeyBytes[algorithm] ?? 32)) return false;
  if (!openssl.algorithms.includes(algorithm)) return true;
  try {
    return openssl.equal(openssl.publicKeyOf(algorithm, privateKey), publicKey);
  } catch {
    return false; // no number of the curve
  }
}
