// The Crypto port on @noble: portable, the reference for the other back end. Not constant-time in the strict sense,
// as JavaScript cannot be; what runs in the daemon is src/openssl.ts.

import { cbc, gcm } from '@noble/ciphers/aes.js';
import { ed25519 } from '@noble/curves/ed25519.js';
import { p256, p384, p521 } from '@noble/curves/nist.js';
import { secp256k1 } from '@noble/curves/secp256k1.js';
import { hkdf } from '@noble/hashes/hkdf.js';
import { hmac } from '@noble/hashes/hmac.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { randomBytes } from '@noble/hashes/utils.js';
import { ml_dsa44, ml_dsa65 } from '@noble/post-quantum/ml-dsa.js';
import type { CoseAlgorithm, Crypto } from '../env.ts';
import { CoseAlg } from '../wire.ts';
import { mlDsa } from './ml-dsa.ts';
import type { Random, Signer } from './signer.ts';

const signers: ReadonlyMap<CoseAlgorithm, Signer> = new Map([
  [CoseAlg.ES256, ecdsa(p256)],
  [
    CoseAlg.EdDSA,
    {
      newPrivateKey: (random: Random) => random(32),
      publicKeyOf: ed25519.getPublicKey,
      sign: (privateKey: Uint8Array, message: Uint8Array) => ed25519.sign(message, privateKey),
      // As RFC 8032 has it, and OpenSSL: without ZIP 215's leniency.
      verify: (publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array) =>
        ed25519.verify(signature, message, publicKey, { zip215: false }),
    },
  ],
  [CoseAlg.ES384, ecdsa(p384)],
  [CoseAlg.ES512, ecdsa(p521)],
  [CoseAlg.ES256K, ecdsa(secp256k1)],
  [CoseAlg['ML-DSA-44'], mlDsa(ml_dsa44)],
  [CoseAlg['ML-DSA-65'], mlDsa(ml_dsa65)],
]);

/** The noble back end; `random` replaces its source of randomness, for tests that must repeat. */
export function createNobleCrypto(random: Random = randomBytes): Crypto {
  return {
    randomBytes: random,
    sha256: (data) => sha256(data),
    hmacSha256: (key, data) => hmac(sha256, key, data),
    equal: equalBytes,
    algorithms: [...signers.keys()],
    generateKeyPair(algorithm) {
      const signer = signerOf(algorithm);
      const privateKey = signer.newPrivateKey(random);
      return { privateKey, publicKey: signer.publicKeyOf(privateKey) };
    },
    publicKeyOf: (algorithm, privateKey) => signerOf(algorithm).publicKeyOf(privateKey),
    sign: (algorithm, { privateKey }, message) => signerOf(algorithm).sign(privateKey, message, random),
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

/** Each curve brings the hash of its algorithm along. */
function ecdsa(curve: typeof p256): Signer {
  // WebAuthn knows no rule that a signature's s be low, and OpenSSL makes none either.
  const form = { format: 'der', lowS: false } as const;
  return {
    newPrivateKey: (random) => curve.utils.randomSecretKey(random(curve.lengths.seed ?? 48)),
    publicKeyOf: (privateKey) => curve.getPublicKey(privateKey, false),
    sign: (privateKey, message) => curve.sign(message, privateKey, form),
    verify: (publicKey, message, signature) => curve.verify(signature, message, publicKey, form),
  };
}

function signerOf(algorithm: CoseAlgorithm): Signer {
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
