// The independent client's PIN/UV auth protocols 1 and 2: key agreement, encryption, proofs, and what a persistent
// token opens.

import { createCipheriv, createDecipheriv, createECDH, createHmac, hkdfSync, randomBytes } from 'node:crypto';
import type { Key, Value } from './cbor.ts';
import { sha256 } from './public-key.ts';

/** A platform's half of a key agreement: its public key for the authenticator, and what both now share. */
export interface Agreement {
  readonly protocol: 1 | 2;
  /** The parameter keyAgreement. */
  readonly coseKey: ReadonlyMap<Key, Value>;
  encrypt(plaintext: Uint8Array): Uint8Array;
  decrypt(ciphertext: Uint8Array): Uint8Array;
  authenticate(message: Uint8Array): Uint8Array;
}

/** encapsulate. CTAP 2.1 §6.5.6, §6.5.7. */
export function agree(protocol: 1 | 2, peer: ReadonlyMap<Key, Value>, privateKey?: Uint8Array): Agreement {
  const point = (key: ReadonlyMap<Key, Value>) =>
    Buffer.concat([Buffer.of(4), key.get(-2) as Uint8Array, key.get(-3) as Uint8Array]);
  const ecdh = createECDH('prime256v1');
  if (privateKey) ecdh.setPrivateKey(privateKey);
  else ecdh.generateKeys();
  const own = ecdh.getPublicKey();
  const z = ecdh.computeSecret(point(peer));
  const derive = (info: string) => Buffer.from(hkdfSync('sha256', z, Buffer.alloc(32), info, 32));
  const [hmacKey, aesKey] =
    protocol === 1 ? [sha256(z), sha256(z)] : [derive('CTAP2 HMAC key'), derive('CTAP2 AES key')];
  return {
    protocol,
    coseKey: new Map<Key, Value>([
      [1, 2],
      [3, -25],
      [-1, 1],
      [-2, new Uint8Array(own.subarray(1, 33))],
      [-3, new Uint8Array(own.subarray(33))],
    ]),
    encrypt(plaintext) {
      const iv = protocol === 1 ? Buffer.alloc(16) : randomBytes(16);
      const cipher = createCipheriv('aes-256-cbc', aesKey, iv).setAutoPadding(false);
      const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
      return protocol === 1 ? ciphertext : Buffer.concat([iv, ciphertext]);
    },
    decrypt(ciphertext) {
      const [iv, rest] =
        protocol === 1 ? [Buffer.alloc(16), ciphertext] : [ciphertext.subarray(0, 16), ciphertext.subarray(16)];
      const decipher = createDecipheriv('aes-256-cbc', aesKey, iv).setAutoPadding(false);
      return Buffer.concat([decipher.update(rest), decipher.final()]);
    },
    authenticate: (message) => authenticate(protocol, hmacKey, message),
  };
}

/** pinUvAuthParam: under a pinUvAuthToken, or under the HMAC half of a shared secret. */
export function authenticate(protocol: 1 | 2, key: Uint8Array, message: Uint8Array): Uint8Array {
  const mac = createHmac('sha256', key).update(message).digest();
  return protocol === 1 ? mac.subarray(0, 16) : mac;
}

/** The PIN in UTF-8, filled up with zeros to 64 bytes. */
export function paddedPin(pin: string): Uint8Array {
  const padded = Buffer.alloc(64);
  padded.set(Buffer.from(pin, 'utf8'));
  return padded;
}

/** LEFT(SHA-256(PIN), 16). */
export function hashedPin(pin: string): Uint8Array {
  return sha256(pin).subarray(0, 16);
}

/** Opens encIdentifier or encCredStoreState with the persistent token. CTAP 2.2 §6.4. */
export function openIdentifier(info: string, token: Uint8Array, sealed: Uint8Array): Uint8Array {
  const key = Buffer.from(hkdfSync('sha256', token, Buffer.alloc(32), info, 16));
  const decipher = createDecipheriv('aes-128-cbc', key, sealed.subarray(0, 16)).setAutoPadding(false);
  return Buffer.concat([decipher.update(sealed.subarray(16)), decipher.final()]);
}
