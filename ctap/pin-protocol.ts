// PIN/UV auth protocols one and two: how platform and authenticator agree on a secret, encrypt PINs and tokens under
// it, and prove that they know a token. CTAP 2.1 §6.5.4, §6.5.6, §6.5.7.

import { concatBytes, utf8ToBytes } from '@noble/hashes/utils.js';
import { bytes, type CborMap, integer, type MapReader } from './cbor.ts';
import type { Crypto, KeyPair } from './env.ts';
import { CtapError } from './status.ts';
import { CoseAlg, CoseCrv, CoseKey, CoseKty } from './wire.ts';

export interface PinProtocol {
  readonly id: 1 | 2;
  /** This end's half of the key agreement, a COSE_Key. It stays the same until `regenerate`. */
  readonly publicKey: CborMap;
  /** Overwrites the key of the key agreement; a new one is made when it is needed. */
  regenerate(): void;
  /**
   * The secret shared with the end whose public key, a COSE_Key, is `peer`; the same from both ends.
   * @throws CtapError INVALID_PARAMETER for what is no point of P-256; CBOR_UNEXPECTED_TYPE for a malformed key.
   */
  decapsulate(peer: MapReader): SharedSecret;
  /** The pinUvAuthParam for `message` under a pinUvAuthToken: 16 bytes in protocol one, 32 in protocol two. */
  authenticate(token: Uint8Array, message: Uint8Array): Uint8Array;
  /** Whether `mac` authenticates `message` under a pinUvAuthToken, 32 bytes. */
  verify(token: Uint8Array, message: Uint8Array, mac: Uint8Array): boolean;
}

export interface SharedSecret {
  /** `plaintext` is a multiple of 16 bytes; protocol two puts 16 bytes of IV before the result. */
  encrypt(plaintext: Uint8Array): Uint8Array;
  /** The inverse of `encrypt`; undefined if the length does not fit. */
  decrypt(ciphertext: Uint8Array): Uint8Array | undefined;
  authenticate(message: Uint8Array): Uint8Array;
  verify(message: Uint8Array, mac: Uint8Array): boolean;
}

/** One instance of each protocol, the preferred one first; their keys are made when first needed. */
export function createPinProtocols(crypto: Crypto): readonly PinProtocol[] {
  return [new Agreement(crypto, protocolTwo(crypto)), new Agreement(crypto, protocolOne(crypto))];
}

/** What differs between the protocols. `z` is the x coordinate of the shared point, 32 bytes. */
interface Scheme {
  readonly id: 1 | 2;
  deriveSecret(z: Uint8Array): SharedSecret;
  authenticate(key: Uint8Array, message: Uint8Array): Uint8Array;
}

const blockLength = 16;

function protocolOne(crypto: Crypto): Scheme {
  const iv = new Uint8Array(blockLength);
  const authenticate = (key: Uint8Array, message: Uint8Array) => crypto.hmacSha256(key, message).subarray(0, 16);
  return {
    id: 1,
    deriveSecret(z) {
      const key = crypto.sha256(z);
      return {
        encrypt: (plaintext) => crypto.encryptAesCbc(key, iv, plaintext),
        decrypt: (ciphertext) =>
          ciphertext.length % blockLength === 0 ? crypto.decryptAesCbc(key, iv, ciphertext) : undefined,
        authenticate: (message) => authenticate(key, message),
        verify: (message, mac) => crypto.equal(authenticate(key, message), mac),
      };
    },
    authenticate,
  };
}

function protocolTwo(crypto: Crypto): Scheme {
  const salt = new Uint8Array(32);
  return {
    id: 2,
    deriveSecret(z) {
      const hmacKey = crypto.hkdfSha256(z, salt, utf8ToBytes('CTAP2 HMAC key'), 32);
      const aesKey = crypto.hkdfSha256(z, salt, utf8ToBytes('CTAP2 AES key'), 32);
      return {
        encrypt(plaintext) {
          const iv = crypto.randomBytes(blockLength);
          return concatBytes(iv, crypto.encryptAesCbc(aesKey, iv, plaintext));
        },
        decrypt(ciphertext) {
          if (ciphertext.length < blockLength || ciphertext.length % blockLength !== 0) return undefined;
          const [iv, rest] = [ciphertext.subarray(0, blockLength), ciphertext.subarray(blockLength)];
          return crypto.decryptAesCbc(aesKey, iv, rest);
        },
        authenticate: (message) => crypto.hmacSha256(hmacKey, message),
        verify: (message, mac) => crypto.equal(crypto.hmacSha256(hmacKey, message), mac),
      };
    },
    authenticate: (key, message) => crypto.hmacSha256(key, message),
  };
}

/** The key agreement, the same in both protocols: ECDH on P-256. */
class Agreement implements PinProtocol {
  readonly id: 1 | 2;
  readonly #crypto: Crypto;
  readonly #scheme: Scheme;
  #ownKeyPair: KeyPair | undefined;

  constructor(crypto: Crypto, scheme: Scheme) {
    this.id = scheme.id;
    this.#crypto = crypto;
    this.#scheme = scheme;
  }

  get #keyPair(): KeyPair {
    this.#ownKeyPair ??= this.#crypto.generateKeyPair(CoseAlg.ES256);
    return this.#ownKeyPair;
  }

  get publicKey(): CborMap {
    const { publicKey } = this.#keyPair;
    return new Map<number, number | Uint8Array>([
      [CoseKey.kty, CoseKty.EC2],
      [CoseKey.alg, CoseAlg.ECDH_ES_HKDF_256],
      [CoseKey.crv, CoseCrv.P256],
      [CoseKey.x, publicKey.subarray(1, 33)],
      [CoseKey.y, publicKey.subarray(33, 65)],
    ]);
  }

  regenerate(): void {
    this.#ownKeyPair?.privateKey.fill(0);
    this.#ownKeyPair = undefined;
  }

  decapsulate(peer: MapReader): SharedSecret {
    const z = this.#crypto.ecdhP256(this.#keyPair.privateKey, readPoint(peer));
    if (!z) throw new CtapError('INVALID_PARAMETER');
    return this.#scheme.deriveSecret(z);
  }

  authenticate(token: Uint8Array, message: Uint8Array): Uint8Array {
    return this.#scheme.authenticate(token, message);
  }

  verify(token: Uint8Array, message: Uint8Array, mac: Uint8Array): boolean {
    return this.#crypto.equal(this.authenticate(token, message), mac);
  }
}

/** An uncompressed point, 65 bytes, that may not be on the curve. The member `alg` is only a label. */
function readPoint(coseKey: MapReader): Uint8Array {
  const [x, y] = [coseKey.required(CoseKey.x, bytes), coseKey.required(CoseKey.y, bytes)];
  const isP256 =
    coseKey.required(CoseKey.kty, integer) === CoseKty.EC2 && coseKey.required(CoseKey.crv, integer) === CoseCrv.P256;
  if (!isP256 || x.length !== 32 || y.length !== 32) throw new CtapError('INVALID_PARAMETER');
  return concatBytes(Uint8Array.of(0x04), x, y);
}
