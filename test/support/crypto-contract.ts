// What every Crypto back end must do: run by both, each with the other as its referee.

import { createPrivateKey, createPublicKey, sign, verify } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import type { Crypto, KeyPair } from '../../ctap/env.ts';
import vectors from '../vectors/webauthn-l3.json' with { type: 'json' };

const es256 = -7;
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

    it('makes key pairs of a 32-byte scalar and the uncompressed point that belongs to it', () => {
      for (let i = 0; i < 20; i++) {
        const keyPair = crypto.generateKeyPair(es256);
        expect(keyPair.privateKey).toHaveLength(32);
        expect(keyPair.publicKey).toHaveLength(65);
        expect(keyPair.publicKey[0]).toBe(0x04);
        const signature = sign('sha256', message, nodePrivateKey(keyPair));
        expect(crypto.verify(es256, keyPair.publicKey, message, signature)).toBe(true);
      }
    });

    it("verifies the other's signatures, and the other verifies its own, with keys of both", () => {
      for (const maker of [crypto, other]) {
        const keyPair = maker.generateKeyPair(es256);
        expect(crypto.verify(es256, keyPair.publicKey, message, other.sign(es256, keyPair, message))).toBe(true);
        expect(other.verify(es256, keyPair.publicKey, message, crypto.sign(es256, keyPair, message))).toBe(true);
      }
    });

    it('signs with keys that begin with zeros', () => {
      for (const scalar of ['01', '0123456789abcdef', 'ff'.repeat(31)]) {
        const keyPair = keyPairOf(bytes(scalar.padStart(64, '0')));
        const signature = crypto.sign(es256, keyPair, message);
        expect(verify('sha256', message, nodePublicKey(keyPair.publicKey), signature)).toBe(true);
      }
    });

    it('refuses a signature over another message, of another key, changed, or not a signature', () => {
      const keyPair = crypto.generateKeyPair(es256);
      const signature = crypto.sign(es256, keyPair, message);
      const { publicKey } = keyPair;
      expect(crypto.verify(es256, publicKey, message.with(0, 0), signature)).toBe(false);
      expect(crypto.verify(es256, crypto.generateKeyPair(es256).publicKey, message, signature)).toBe(false);
      expect(crypto.verify(es256, publicKey, message, signature.with(40, (signature[40] ?? 0) ^ 1))).toBe(false);
      expect(crypto.verify(es256, publicKey, message, new Uint8Array(0))).toBe(false);
      expect(crypto.verify(es256, new Uint8Array(65).fill(4), message, signature)).toBe(false);
      expect(crypto.verify(es256, publicKey.subarray(1), message, signature)).toBe(false);
    });

    it('refuses algorithms that it does not list', () => {
      expect(crypto.algorithms).toContain(es256);
      expect(crypto.algorithms).not.toContain(-999);
      const keyPair = crypto.generateKeyPair(es256);
      expect(() => crypto.generateKeyPair(-999)).toThrow('-999');
      expect(() => crypto.sign(-999, keyPair, message)).toThrow('-999');
      expect(() => crypto.verify(-999, keyPair.publicKey, message, message)).toThrow('-999');
    });

    for (const [ceremony, { registration, authentication }] of Object.entries(vectors.vectors)) {
      it(`agrees with the WebAuthn Level 3 vector ${ceremony}`, () => {
        const keyPair = keyPairOf(bytes(registration.credential_private_key));
        const coordinates = Buffer.from(keyPair.publicKey.subarray(1)).toString('hex');
        expect(registration.attestationObject).toContain(coordinates.slice(0, 64));
        expect(registration.attestationObject).toContain(coordinates.slice(64));
        const clientDataHash = crypto.sha256(bytes(authentication.clientDataJSON));
        const signed = new Uint8Array([...bytes(authentication.authenticatorData), ...clientDataHash]);
        expect(crypto.verify(es256, keyPair.publicKey, signed, bytes(authentication.signature))).toBe(true);
        const own = crypto.sign(es256, keyPair, signed);
        expect(verify('sha256', signed, nodePublicKey(keyPair.publicKey), own)).toBe(true);
      });
    }
  });
}

function jwk(publicKey: Uint8Array) {
  const [x, y] = [publicKey.subarray(1, 33), publicKey.subarray(33)].map((b) => Buffer.from(b).toString('base64url'));
  return { kty: 'EC', crv: 'P-256', x: x ?? '', y: y ?? '' };
}

function nodePublicKey(publicKey: Uint8Array) {
  return createPublicKey({ key: jwk(publicKey), format: 'jwk' });
}

function nodePrivateKey({ privateKey, publicKey }: KeyPair) {
  const d = Buffer.from(privateKey).toString('base64url');
  return createPrivateKey({ key: { ...jwk(publicKey), d }, format: 'jwk' });
}

/** The key pair of a scalar, by way of OpenSSL's own derivation of the public half. */
function keyPairOf(privateKey: Uint8Array): KeyPair {
  const sec1 = Buffer.concat([bytes('30310201010420'), privateKey, bytes('a00a06082a8648ce3d030107')]);
  const { x = '', y = '' } = createPublicKey(createPrivateKey({ key: sec1, format: 'der', type: 'sec1' })).export({
    format: 'jwk',
  });
  const point = Buffer.concat([Buffer.of(4), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')]);
  return { privateKey, publicKey: new Uint8Array(point) };
}
