// The Crypto port on node:crypto, that is, OpenSSL: constant-time and twenty to forty times faster than portable
// code. What costs time is not the signature but turning bytes into a key OpenSSL can use (four signatures' worth), so
// the keys used last stay imported.

import {
  createCipheriv,
  createDecipheriv,
  createECDH,
  createHash,
  createHmac,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  hkdfSync,
  type KeyObject,
  randomBytes,
  sign,
  timingSafeEqual,
  verify,
} from 'node:crypto';
import type { Crypto, KeyPair } from '../ctap/env.ts';

const es256 = -7;
const maxImportedKeys = 128;
const tagLength = 16;

/** The OpenSSL back end. `forget` drops the imported private keys: call it when the vault is locked. */
export function createOpensslCrypto(): Crypto & { forget(): void } {
  const privateKeys = new RecentKeys();
  return {
    randomBytes: (length) => new Uint8Array(randomBytes(length)),
    sha256: (data) => new Uint8Array(createHash('sha256').update(data).digest()),
    hmacSha256: (key, data) => new Uint8Array(createHmac('sha256', key).update(data).digest()),
    equal: (a, b) => a.length === b.length && timingSafeEqual(a, b),
    algorithms: [es256],
    generateKeyPair(algorithm) {
      requireEs256(algorithm);
      const { privateKey: key } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const { d = '', x = '', y = '' } = key.export({ format: 'jwk' });
      const keyPair = {
        privateKey: new Uint8Array(Buffer.from(d, 'base64url')),
        publicKey: new Uint8Array(Buffer.concat([Buffer.of(0x04), decode(x), decode(y)])),
      };
      privateKeys.add(keyPair, key);
      return keyPair;
    },
    sign(algorithm, keyPair, message) {
      requireEs256(algorithm);
      return new Uint8Array(sign('sha256', message, privateKeys.get(keyPair)));
    },
    verify(algorithm, publicKey, message, signature) {
      requireEs256(algorithm);
      try {
        const key = createPublicKey({ key: publicJwk(publicKey), format: 'jwk' });
        return verify('sha256', message, key, signature);
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

  get(keyPair: KeyPair): KeyObject {
    const name = nameOf(keyPair);
    const known = this.#keys.get(name);
    if (known) this.#keys.delete(name);
    const key = known ?? importPrivateKey(keyPair);
    this.#insert(name, key);
    return key;
  }

  add(keyPair: KeyPair, key: KeyObject): void {
    this.#insert(nameOf(keyPair), key);
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

function nameOf({ publicKey }: KeyPair): string {
  return Buffer.from(publicKey).toString('latin1');
}

function importPrivateKey({ privateKey, publicKey }: KeyPair): KeyObject {
  return createPrivateKey({ key: { ...publicJwk(publicKey), d: encode(privateKey) }, format: 'jwk' });
}

/** As JWK, because OpenSSL takes three to five times as long over DER. */
function publicJwk(publicKey: Uint8Array) {
  if (publicKey.length !== 65 || publicKey[0] !== 0x04) throw new RangeError('expected an uncompressed point');
  return { kty: 'EC', crv: 'P-256', x: encode(publicKey.subarray(1, 33)), y: encode(publicKey.subarray(33)) };
}

function encode(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url');
}

function decode(base64url: string): Buffer {
  return Buffer.from(base64url, 'base64url');
}

function requireEs256(algorithm: number): void {
  if (algorithm !== es256) throw new RangeError(`no signature algorithm ${algorithm}`);
}
