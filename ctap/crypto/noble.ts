// The Crypto port on @noble: portable, the reference for the other back end. Not constant-time in the strict sense,
// as JavaScript cannot be; what runs in the daemon is src/openssl.ts.

import { cbc, gcm } from '@noble/ciphers/aes.js';
import { p256 } from '@noble/curves/nist.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { randomBytes } from '@noble/hashes/utils.js';
import type { Crypto, KeyPair } from '../env.ts';

interface Signer {
  generateKeyPair(random: (length: number) => Uint8Array): KeyPair;
  sign(privateKey: Uint8Array, message: Uint8Array): Uint8Array;
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

const signers: ReadonlyMap<number, Signer> = new Map<number, Signer>([
  [
    -7,
    {
      generateKeyPair(random) {
        const privateKey = p256.utils.randomSecretKey(random(48));
        return { privateKey, publicKey: p256.getPublicKey(privateKey, false) };
      },
      // WebAuthn knows no rule that a signature's s be low, and OpenSSL makes none either.
      sign: (privateKey, message) => p256.sign(message, privateKey, { format: 'der', lowS: false }),
      verify: (publicKey, message, signature) =>
        p256.verify(signature, message, publicKey, { format: 'der', lowS: false }),
    },
  ],
]);

/** The noble back end; `random` replaces its source of randomness, for tests that must repeat. */
export function createNobleCrypto(random: (length: number) => Uint8Array = randomBytes): Crypto {
  return {
    randomBytes: random,
    sha256: (data) => sha256(data),
    hmacSha256: (key, data) => hmac(sha256, key, data),
    equal: equalBytes,
    algorithms: [...signers.keys()],
    generateKeyPair: (algorithm) => signerOf(algorithm).generateKeyPair(random),
    sign: (algorithm, { privateKey }, message) => signerOf(algorithm).sign(privateKey, message),
    verify(algorithm, publicKey, message, signature) {
      const signer = signerOf(algorithm);
      try {
        return signer.verify(publicKey, message, signature);
      } catch {
        return false; // not a point, not DER
      }
    },
    sealAesGcm: (key, nonce, plaintext, associated) => gcm(key, nonce, associated).encrypt(plaintext),
    openAesGcm(key, nonce, sealed, associated) {
      try {
        return gcm(key, nonce, associated).decrypt(sealed);
      } catch {
        return undefined;
      }
    },
    encryptAesCbc: (key, iv, plaintext) => cbc(key, iv, { disablePadding: true }).encrypt(plaintext),
    decryptAesCbc: (key, iv, ciphertext) => cbc(key, iv, { disablePadding: true }).decrypt(ciphertext),
    hkdfSha256: (secret, salt, info, length) => hkdf(sha256, secret, salt, info, length),
    ecdhP256(privateKey, publicKey) {
      try {
        return p256.getSharedSecret(privateKey, publicKey).slice(1);
      } catch {
        return undefined; // not a point of the curve
      }
    },
  };
}

function signerOf(algorithm: number): Signer {
  const signer = signers.get(algorithm);
  if (!signer) throw new RangeError(`no signature algorithm ${algorithm}`);
  return signer;
}

function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}
