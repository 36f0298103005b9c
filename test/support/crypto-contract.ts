// What every Crypto back end must do: run by both, each with the other as its referee.

import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Crypto, KeyPair } from '../../ctap/env.ts';
import mlDsa from '../vectors/ml-dsa-openssl.json' with { type: 'json' };
import vectors from '../vectors/webauthn-l3.json' with { type: 'json' };

const es256 = -7;
const [mlDsa44, mlDsa65] = [akp('ML-DSA-44'), akp('ML-DSA-65')];

/** Sizes are those of the private and the public key, in bytes. */
const algorithms = [
  { name: 'ES256', alg: -7, sizes: [32, 65], jwk: ec('P-256'), digest: 'sha256' },
  { name: 'EdDSA', alg: -8, sizes: [32, 32], jwk: okp, digest: null },
  { name: 'ES384', alg: -35, sizes: [48, 97], jwk: ec('P-384'), digest: 'sha384' },
  { name: 'ES512', alg: -36, sizes: [66, 133], jwk: ec('P-521'), digest: 'sha512' },
  { name: 'ES256K', alg: -47, sizes: [32, 65], jwk: ec('secp256k1'), digest: 'sha256' },
  { name: 'ML-DSA-44', alg: -48, sizes: [32, 1312], jwk: mlDsa44, digest: null },
  { name: 'ML-DSA-65', alg: -49, sizes: [32, 1952], jwk: mlDsa65, digest: null },
] as const;
const message = new TextEncoder().encode('message');
const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));

export function cryptoContract(name: string, makeCrypto: () => Crypto, makeOther: () => Crypto): void {
  describe(`${name} keeps the crypto contract`, () => {
    const crypto = makeCrypto();
    const other = makeOther();

    it('hashes as FIPS 180-4, with the example "abc"', () => {
      expect(crypto.sha256(new TextEncoder().encode('abc'))).toEqual(
        bytes('ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad'),
      );
    });

    it('authenticates as RFC 4231, with test case 2', () => {
      const data = new TextEncoder().encode('what do ya want for nothing?');
      expect(crypto.hmacSha256(new TextEncoder().encode('Jefe'), data)).toEqual(
        bytes('5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843'),
      );
    });

    it('seals as the GCM specification, with test case 16', () => {
      const key = bytes('feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308');
      const nonce = bytes('cafebabefacedbaddecaf888');
      const plaintext = bytes(
        'd9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39',
      );
      const associated = bytes('feedfacedeadbeeffeedfacedeadbeefabaddad2');
      const sealed = bytes(
        '522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f66276fc6ece0f4e1768cddf8853bb2d551b',
      );
      expect(crypto.sealAesGcm(key, nonce, plaintext, associated)).toEqual(sealed);
      expect(crypto.openAesGcm(key, nonce, sealed, associated)).toEqual(plaintext);
    });

    it('opens nothing that was changed in one byte, cut, or sealed with other data', () => {
      const [key, nonce, associated] = [new Uint8Array(32), new Uint8Array(12), new Uint8Array(33)];
      const sealed = crypto.sealAesGcm(key, nonce, message, associated);
      for (let i = 0; i < sealed.length; i++) {
        expect(crypto.openAesGcm(key, nonce, sealed.with(i, (sealed[i] ?? 0) ^ 1), associated)).toBeUndefined();
        expect(crypto.openAesGcm(key, nonce, sealed.subarray(0, i), associated)).toBeUndefined();
      }
      expect(crypto.openAesGcm(key, nonce, sealed, associated.with(0, 1))).toBeUndefined();
      expect(crypto.openAesGcm(key.with(0, 1), nonce, sealed, associated)).toBeUndefined();
    });

    it('encrypts in CBC mode as NIST SP 800-38A, with the examples F.2.1 and F.2.5', () => {
      const iv = bytes('000102030405060708090a0b0c0d0e0f');
      const plaintext = bytes('6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51');
      for (const [key, ciphertext] of [
        ['2b7e151628aed2a6abf7158809cf4f3c', '7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2'],
        [
          '603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4',
          'f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d',
        ],
      ] as const) {
        expect(crypto.encryptAesCbc(bytes(key), iv, plaintext)).toEqual(bytes(ciphertext));
        expect(crypto.decryptAesCbc(bytes(key), iv, bytes(ciphertext))).toEqual(plaintext);
      }
    });

    it('derives keys as RFC 5869, with test case 1', () => {
      const [secret, salt] = [bytes('0b'.repeat(22)), bytes('000102030405060708090a0b0c')];
      expect(crypto.hkdfSha256(secret, salt, bytes('f0f1f2f3f4f5f6f7f8f9'), 42)).toEqual(
        bytes('3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865'),
      );
    });

    it('agrees on a secret with the other, and with RFC 5903 §8.1', () => {
      const initiator = keyPairOf(bytes('c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433'));
      const responder = keyPairOf(bytes('c6ef9c5d78ae012a011164acb397ce2088685d8f06bf9be0b283ab46476bee53'));
      const secret = bytes('d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de');
      expect(crypto.ecdhP256(initiator.privateKey, responder.publicKey)).toEqual(secret);
      expect(crypto.ecdhP256(responder.privateKey, initiator.publicKey)).toEqual(secret);
      const [own, theirs] = [crypto.generateKeyPair(es256), other.generateKeyPair(es256)];
      expect(crypto.ecdhP256(own.privateKey, theirs.publicKey)).toEqual(
        other.ecdhP256(theirs.privateKey, own.publicKey),
      );
    });

    it('agrees on no secret with what is no point of the curve', () => {
      const { privateKey, publicKey } = crypto.generateKeyPair(es256);
      for (const point of [publicKey.with(64, (publicKey[64] ?? 0) ^ 1), new Uint8Array(65).fill(4, 0, 1)]) {
        expect(crypto.ecdhP256(privateKey, point)).toBeUndefined();
      }
    });

    it('compares contents and lengths', () => {
      expect(crypto.equal(bytes('0102'), bytes('0102'))).toBe(true);
      expect(crypto.equal(bytes('0102'), bytes('0103'))).toBe(false);
      expect(crypto.equal(bytes('0102'), bytes('010200'))).toBe(false);
      expect(crypto.equal(bytes(''), bytes(''))).toBe(true);
    });

    it('gives random bytes of the length asked for, others each time', () => {
      expect(crypto.randomBytes(32)).toHaveLength(32);
      expect(crypto.randomBytes(32)).not.toEqual(crypto.randomBytes(32));
    });

    it('returns plain arrays that share no memory with anything', () => {
      for (const made of [crypto.randomBytes(8), crypto.sha256(message), crypto.generateKeyPair(es256).privateKey]) {
        expect(made.constructor).toBe(Uint8Array);
        expect(made.buffer.byteLength).toBe(made.length);
      }
    });

    it('has every algorithm that credentials may have', () => {
      expect([...crypto.algorithms]).toEqual(algorithms.map(({ alg }) => alg));
    });

    describe.each(algorithms)('$name', ({ alg, sizes, jwk, digest }) => {
      const keyPair = crypto.generateKeyPair(alg);
      const { publicKey } = keyPair;

      it('has key pairs of the lengths agreed on, and finds the public half of a private key', () => {
        for (const maker of [crypto, other]) {
          const made = maker.generateKeyPair(alg);
          expect([made.privateKey.length, made.publicKey.length]).toEqual(sizes);
          expect(crypto.publicKeyOf(alg, made.privateKey)).toEqual(made.publicKey);
        }
      });

      it("verifies the other's signatures, and the other verifies its own, with keys of both", () => {
        for (const maker of [crypto, other]) {
          const made = maker.generateKeyPair(alg);
          expect(crypto.verify(alg, made.publicKey, message, other.sign(alg, made, message))).toBe(true);
          expect(other.verify(alg, made.publicKey, message, crypto.sign(alg, made, message))).toBe(true);
        }
      });

      it.runIf(nodeKnows(jwk))('agrees with node:crypto in both directions', () => {
        const key = createPrivateKey({ key: jwk(keyPair), format: 'jwk' });
        expect(crypto.verify(alg, publicKey, message, sign(digest, message, key))).toBe(true);
        expect(verify(digest, message, createPublicKey(key), crypto.sign(alg, keyPair, message))).toBe(true);
      });

      it('verifies no signature of another message or key, and none that is damaged', () => {
        const signature = crypto.sign(alg, keyPair, message);
        expect(crypto.verify(alg, publicKey, message, signature)).toBe(true);
        expect(crypto.verify(alg, publicKey, Uint8Array.of(1), signature)).toBe(false);
        expect(crypto.verify(alg, crypto.generateKeyPair(alg).publicKey, message, signature)).toBe(false);
        expect(crypto.verify(alg, publicKey, message, signature.with(40, (signature[40] ?? 0) ^ 1))).toBe(false);
        expect(crypto.verify(alg, publicKey, message, new Uint8Array(0))).toBe(false);
        expect(crypto.verify(alg, publicKey.subarray(1), message, signature)).toBe(false);
        expect(crypto.verify(alg, new Uint8Array(publicKey.length).fill(4), message, signature)).toBe(false);
      });

      it('signs with keys that begin with zeros', () => {
        const privateKey = new Uint8Array(sizes[0]).fill(0x5a, sizes[0] - 8);
        const low = { privateKey, publicKey: crypto.publicKeyOf(alg, privateKey) };
        expect(other.publicKeyOf(alg, privateKey)).toEqual(low.publicKey);
        expect(other.verify(alg, low.publicKey, message, crypto.sign(alg, low, message))).toBe(true);
      });
    });

    it('refuses algorithms that it does not list', () => {
      expect(crypto.algorithms).toContain(es256);
      expect(crypto.algorithms).not.toContain(-999);
      const keyPair = crypto.generateKeyPair(es256);
      expect(() => crypto.generateKeyPair(-999)).toThrow('-999');
      expect(() => crypto.sign(-999, keyPair, message)).toThrow('-999');
      expect(() => crypto.verify(-999, keyPair.publicKey, message, message)).toThrow('-999');
    });

    for (const { name, alg, ...vector } of mlDsa.vectors) {
      it(`agrees with a key and a signature of ${name} that OpenSSL made`, () => {
        const [privateKey, publicKey, signed] = [bytes(vector.seed), bytes(vector.publicKey), bytes(vector.message)];
        expect(crypto.publicKeyOf(alg, privateKey)).toEqual(publicKey);
        expect(crypto.verify(alg, publicKey, signed, bytes(vector.signature))).toBe(true);
        const own = crypto.sign(alg, { privateKey, publicKey }, signed);
        expect(other.verify(alg, publicKey, signed, own)).toBe(true);
      });
    }

    for (const [ceremony, { registration, authentication }] of Object.entries(vectors.vectors)) {
      it(`agrees with the WebAuthn Level 3 vector ${ceremony}`, () => {
        const alg = algorithmOf(ceremony);
        const vectorKey =
          'private_key' in registration ? registration.private_key : registration.credential_private_key;
        // The vectors write scalars without the zeros they begin with.
        const privateKey = bytes(vectorKey.padStart(2 * sizeOf(alg), '0'));
        const publicKey = crypto.publicKeyOf(alg, privateKey);
        // A COSE_Key has a head of three or four bytes between the coordinates of a point.
        const coordinates = Buffer.from(alg === -8 ? publicKey : publicKey.subarray(1)).toString('hex');
        const half = alg === -8 ? coordinates.length : coordinates.length / 2;
        expect(registration.attestationObject).toContain(coordinates.slice(0, half));
        expect(registration.attestationObject).toContain(coordinates.slice(half));
        const clientDataHash = crypto.sha256(bytes(authentication.clientDataJSON));
        const signed = new Uint8Array([...bytes(authentication.authenticatorData), ...clientDataHash]);
        expect(crypto.verify(alg, publicKey, signed, bytes(authentication.signature))).toBe(true);
        const own = crypto.sign(alg, { privateKey, publicKey }, signed);
        expect(other.verify(alg, publicKey, signed, own)).toBe(true);
      });
    }
  });
}

function sizeOf(algorithm: number): number {
  return algorithms.find(({ alg }) => alg === algorithm)?.sizes[0] ?? 0;
}

/** The vectors are named after their algorithm. */
function algorithmOf(ceremony: string): number {
  const found = algorithms.find(({ name }) => ceremony.includes(name.toLowerCase()));
  if (!found) throw new Error(`no algorithm for ${ceremony}`);
  return found.alg;
}

function ec(crv: string) {
  return ({ privateKey, publicKey }: KeyPair) => {
    const half = (publicKey.length + 1) / 2;
    return {
      kty: 'EC',
      crv,
      d: text(privateKey),
      x: text(publicKey.subarray(1, half)),
      y: text(publicKey.subarray(half)),
    };
  };
}

function okp({ privateKey, publicKey }: KeyPair) {
  return { kty: 'OKP', crv: 'Ed25519', d: text(privateKey), x: text(publicKey) };
}

function akp(alg: string) {
  return ({ privateKey, publicKey }: KeyPair) => ({ kty: 'AKP', alg, priv: text(privateKey), pub: text(publicKey) });
}

function text(of: Uint8Array): string {
  return Buffer.from(of).toString('base64url');
}

/** Node has ML-DSA only with OpenSSL 3.5. */
function nodeKnows(jwk: unknown): boolean {
  return jwk !== mlDsa44 && jwk !== mlDsa65 ? true : Number.parseInt(process.versions.node, 10) >= 24;
}

/** The P-256 key pair of a scalar, by way of OpenSSL's own derivation of the public half. */
function keyPairOf(privateKey: Uint8Array): KeyPair {
  const sec1 = Buffer.concat([bytes('30310201010420'), privateKey, bytes('a00a06082a8648ce3d030107')]);
  const { x = '', y = '' } = createPublicKey(createPrivateKey({ key: sec1, format: 'der', type: 'sec1' })).export({
    format: 'jwk',
  });
  const point = Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
  return { privateKey, publicKey: new Uint8Array(point) };
}
