// The Crypto port on node:crypto, that is, OpenSSL: constant-time and twenty to forty times faster than portable
// code. What costs time is not the signature but turning bytes into a key OpenSSL can use (four signatures' worth), so
// the keys used last stay imported.

import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hash,
  hkdfSync,
  type KeyObject,
  randomBytes,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto';
import type { Signer } from '../ctap/crypto/signer.ts';
import type { CoseAlgorithm, Crypto, KeyPair } from '../ctap/env.ts';
import { CoseAlg } from '../ctap/wire.ts';
import { keyPairOf, privateJwk, publicJwk } from './jwk.ts';
import { portableMlDsa } from './portable-ml-dsa.ts';

interface Scheme {
  /** Hashes of EdDSA and ML-DSA are their own affair. */
  readonly digest: 'sha256' | 'sha384' | 'sha512' | null;
  newKey(): KeyObject;
  publicKeyOf(privateKey: Uint8Array): Uint8Array;
}

const schemes: ReadonlyMap<CoseAlgorithm, Scheme> = new Map([
  [CoseAlg.ES256, ecdsa('sha256', 'prime256v1')],
  [CoseAlg.EdDSA, seeded(CoseAlg.EdDSA, () => generateKeyPairSync('ed25519').privateKey)],
  [CoseAlg.ES384, ecdsa('sha384', 'secp384r1')],
  [CoseAlg.ES512, ecdsa('sha512', 'secp521r1')],
  [CoseAlg.ES256K, ecdsa('sha256', 'secp256k1')],
  ...postQuantumSchemes(),
]);

const maxImportedKeys = 128;
const tagLength = 16;

/** The OpenSSL back end; what this Node's OpenSSL cannot, ML-DSA before OpenSSL 3.5, the portable code does. */
export function createOpensslCrypto(): Crypto & { forget(): void } {
  const privateKeys = new RecentKeys();
  const random = (length: number) => new Uint8Array(randomBytes(length));
  return {
    randomBytes: random,
    sha256: (data) => new Uint8Array(hash('sha256', data, 'buffer')),
    hmacSha256: (key, data) => new Uint8Array(createHmac('sha256', key).update(data).digest()),
    equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
    algorithms: [...new Set([...schemes.keys(), ...portableMlDsa.keys()])],
    generateKeyPair(algorithm) {
      const scheme = schemes.get(algorithm);
      if (!scheme) {
        const privateKey = portable(algorithm).newPrivateKey(random);
        return { privateKey, publicKey: portable(algorithm).publicKeyOf(privateKey) };
      }
      const key = scheme.newKey();
      const keyPair = keyPairOf(key.export({ format: 'jwk' }) as Record<string, string>);
      privateKeys.add(algorithm, keyPair, key);
      return keyPair;
    },
    publicKeyOf: (algorithm, privateKey) => (schemes.get(algorithm) ?? portable(algorithm)).publicKeyOf(privateKey),
    sign(algorithm, keyPair, message) {
      const scheme = schemes.get(algorithm);
      if (!scheme) return portable(algorithm).sign(keyPair.privateKey, message, random);
      return new Uint8Array(sign(scheme.digest, message, privateKeys.get(algorithm, keyPair)));
    },
    verify(algorithm, publicKey, message, signature) {
      const scheme = schemes.get(algorithm);
      const signer = scheme ? undefined : portable(algorithm);
      try {
        if (!scheme) return signer?.verify(publicKey, message, signature) ?? false;
        const key = createPublicKey({ key: publicJwk(algorithm, { publicKey }), format: 'jwk' });
        return verify(scheme.digest, message, key, signature);
      } catch {
        return false; // not a point of the curve
      }
    },
    sealAesGcm(key, nonce, plaintext, associated) {
      const cipher = createCipheriv('aes-256-gcm', key, nonce).setAAD(associated);
      return new Uint8Array(Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]));
    },
    openAesGcm(key, nonce, sealed, associated) {
      if (sealed.length < tagLength) return undefined;
      const decipher = createDecipheriv('aes-256-gcm', key, nonce, { authTagLength: tagLength }).setAAD(associated);
      decipher.setAuthTag(sealed.subarray(-tagLength));
      const plaintext = decipher.update(sealed.subarray(0, -tagLength));
      try {
        decipher.final();
      } catch {
        return undefined;
      }
      return new Uint8Array(plaintext);
    },
    encryptAesCbc(key, iv, plaintext) {
      const cipher = createCipheriv(`aes-${key.length * 8}-cbc`, key, iv).setAutoPadding(false);
      return new Uint8Array(Buffer.concat([cipher.update(plaintext), cipher.final()]));
    },
    decryptAesCbc(key, iv, ciphertext) {
      const decipher = createDecipheriv(`aes-${key.length * 8}-cbc`, key, iv).setAutoPadding(false);
      return new Uint8Array(Buffer.concat([decipher.update(ciphertext), decipher.final()]));
    },
    hkdfSha256: (secret, salt, info, length) => new Uint8Array(hkdfSync('sha256', secret, salt, info, length)),
    ecdhP256(privateKey, publicKey) {
      const ecdh = createECDH('prime256v1');
      ecdh.setPrivateKey(privateKey);
      try {
        return new Uint8Array(ecdh.computeSecret(publicKey));
      } catch {
        return undefined; // not a point of the curve
      }
    },
    forget: () => privateKeys.clear(),
  };
}

/** Imported private keys, the most recently used ones, found by what is no secret: their public halves. */
class RecentKeys {
  readonly #keys = new Map<string, KeyObject>();

  get(algorithm: CoseAlgorithm, keyPair: KeyPair): KeyObject {
    const name = nameOf(algorithm, keyPair);
    const known = this.#keys.get(name);
    if (known) this.#keys.delete(name);
    const key = known ?? importPrivateKey(algorithm, keyPair);
    this.#insert(name, key);
    return key;
  }

  add(algorithm: CoseAlgorithm, keyPair: KeyPair, key: KeyObject): void {
    this.#insert(nameOf(algorithm, keyPair), key);
  }

  clear(): void {
    this.#keys.clear();
  }

  /** A Map keeps the order of insertion, so its first key is the one that was not used for longest. */
  #insert(name: string, key: KeyObject): void {
    this.#keys.set(name, key);
    const [oldest] = this.#keys.keys();
    if (this.#keys.size > maxImportedKeys && oldest !== undefined) this.#keys.delete(oldest);
  }
}

/** Not the private key itself, of which no copies shall lie about, nor the public one, which may have to be derived. */
function nameOf(algorithm: CoseAlgorithm, { privateKey }: KeyPair): string {
  return `${algorithm} ${hash('sha256', privateKey, 'base64')}`;
}

/** As JWK, because OpenSSL takes three to five times as long over DER. */
function importPrivateKey(algorithm: CoseAlgorithm, keyPair: KeyPair): KeyObject {
  return createPrivateKey({ key: privateJwk(algorithm, keyPair), format: 'jwk' });
}

function ecdsa(digest: 'sha256' | 'sha384' | 'sha512', namedCurve: string): Scheme {
  return {
    digest,
    newKey: () => generateKeyPairSync('ec', { namedCurve }).privateKey,
    publicKeyOf(privateKey) {
      const ecdh = createECDH(namedCurve);
      ecdh.setPrivateKey(privateKey);
      return new Uint8Array(ecdh.getPublicKey());
    },
  };
}

/** A scheme whose private key is a seed. OpenSSL makes the public half from it, whatever the JWK says of that. */
function seeded(algorithm: CoseAlgorithm, newKey: () => KeyObject): Scheme {
  return {
    digest: null,
    newKey,
    publicKeyOf(privateKey) {
      const key = importPrivateKey(algorithm, { privateKey, publicKey: new Uint8Array() });
      return keyPairOf(key.export({ format: 'jwk' }) as Record<string, string>).publicKey;
    },
  };
}

function portable(algorithm: CoseAlgorithm): Signer {
  const load = portableMlDsa.get(algorithm);
  if (!load) throw new RangeError(`no back end for algorithm ${algorithm}`);
  return load();
}

/** ML-DSA came to Node with OpenSSL 3.5; without it the portable code has to do. */
function postQuantumSchemes(): [CoseAlgorithm, Scheme][] {
  // Types of a Node that knows these names are not at hand.
  const generate = generateKeyPairSync as unknown as (name: string) => { privateKey: KeyObject };
  try {
    generate('ml-dsa-44');
  } catch {
    return [];
  }
  return (['ML-DSA-44', 'ML-DSA-65'] as const).map((name) => [
    CoseAlg[name],
    seeded(CoseAlg[name], () => generate(name.toLowerCase()).privateKey),
  ]);
}
