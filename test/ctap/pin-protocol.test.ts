import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CborMap, type CborValue, decodeParameters, encodeCbor, type MapReader, map } from '../../ctap/cbor.ts';
import { createNobleCrypto } from '../../ctap/crypto/noble.ts';
import type { Crypto } from '../../ctap/env.ts';
import { createPinProtocols, type PinProtocol } from '../../ctap/pin-protocol.ts';
import { Status } from '../../ctap/status.ts';
import { createOpensslCrypto } from '../../src/openssl.ts';
import * as platform from '../support/platform.ts';
import vectors from '../vectors/pin-protocols.json' with { type: 'json' };

const bytes = (hex: string) => new Uint8Array(Buffer.from(hex, 'hex'));

function coseKey(members: Record<number, CborValue>): MapReader {
  const key = new Map(Object.entries(members).map(([label, value]) => [Number(label), value] as const));
  return decodeParameters(encodeCbor(new Map([[1, key]]))).required(1, map);
}

const point = (x: string, y: string) => coseKey({ 1: 2, 3: -25, [-1]: 1, [-2]: bytes(x), [-3]: bytes(y) });

/** The protocol with this id whose authenticator has a given key, draws given randomness, or shares a given secret. */
function protocolOf(id: 1 | 2, crypto: Crypto, fixed: Partial<Crypto> = {}): PinProtocol {
  const found = createPinProtocols({ ...crypto, ...fixed }).find((protocol) => protocol.id === id);
  return found ?? expect.unreachable();
}

const backEnds = [
  ['noble', createNobleCrypto()],
  ['openssl', createOpensslCrypto()],
] as const;

for (const [name, crypto] of backEnds) {
  describe(`PIN protocols on ${name}`, () => {
    const { hmacSecret, protocolOne, authenticate } = vectors;
    const own = {
      privateKey: bytes(hmacSecret.authenticatorPrivateKey),
      publicKey: bytes(`04${hmacSecret.authenticatorX}${hmacSecret.authenticatorY}`),
    };

    for (const [id, vector, salts, outputs] of [
      [1, hmacSecret.protocolOneOneSalt, hmacSecret.salt1, hmacSecret.output1],
      [2, hmacSecret.protocolTwoOneSalt, hmacSecret.salt1, hmacSecret.output1],
      [2, hmacSecret.protocolTwoTwoSalts, hmacSecret.salt1 + hmacSecret.salt2, hmacSecret.output1 + hmacSecret.output2],
    ] as const) {
      it(`protocol ${id} agrees with the WebAuthn vector of ${salts.length / 64} salts`, () => {
        const randomBytes = () => bytes(vector.outputEnc).slice(0, 16);
        const protocol = protocolOf(id, crypto, { generateKeyPair: () => own, randomBytes });
        const secret = protocol.decapsulate(point(hmacSecret.platformX, hmacSecret.platformY));
        expect(secret.decrypt(bytes(vector.saltEnc))).toEqual(bytes(salts));
        expect(secret.verify(bytes(vector.saltEnc), bytes(vector.saltAuth))).toBe(true);
        expect(secret.encrypt(bytes(outputs))).toEqual(bytes(vector.outputEnc));
      });
    }

    it('protocol 1 agrees with the vectors of python-fido2', () => {
      // The vectors give the platform's private key, and a shared secret is the same from both sides.
      const keyPair = { ...own, privateKey: bytes(protocolOne.platformPrivateKey) };
      const protocol = protocolOf(1, crypto, { generateKeyPair: () => keyPair });
      const secret = protocol.decapsulate(point(protocolOne.authenticatorX, protocolOne.authenticatorY));
      expect(secret.decrypt(bytes(protocolOne.tokenEnc))).toEqual(bytes(protocolOne.token));
      expect(secret.encrypt(bytes(protocolOne.token))).toEqual(bytes(protocolOne.tokenEnc));
      expect(secret.decrypt(bytes(protocolOne.pinHashEnc))).toEqual(new Uint8Array(platform.hashedPin('1234')));
      const { setPin, changePin } = protocolOne;
      expect(secret.decrypt(bytes(setPin.newPinEnc))).toEqual(new Uint8Array(platform.paddedPin(setPin.newPin)));
      expect(secret.verify(bytes(setPin.newPinEnc), bytes(setPin.pinUvAuthParam))).toBe(true);
      expect(secret.decrypt(bytes(changePin.newPinEnc))).toEqual(new Uint8Array(platform.paddedPin(changePin.newPin)));
      const message = bytes(changePin.newPinEnc + protocolOne.pinHashEnc);
      expect(secret.verify(message, bytes(changePin.pinUvAuthParam))).toBe(true);
    });

    for (const id of [1, 2] as const) {
      it(`protocol ${id} authenticates as the vectors of OpenSK`, () => {
        const protocol = protocolOf(id, crypto, { ecdhP256: () => bytes(authenticate.sharedX) });
        const secret = protocol.decapsulate(point(hmacSecret.platformX, hmacSecret.platformY));
        const message = bytes(authenticate.message);
        expect(secret.verify(message, bytes(authenticate.ofSharedSecret[id]))).toBe(true);
        expect(protocol.verify(bytes(authenticate.token), message, bytes(authenticate.ofToken[id]))).toBe(true);
      });

      it(`protocol ${id} takes no MAC that is changed, cut, longer, or of the other protocol`, () => {
        const protocol = protocolOf(id, crypto);
        const [token, message] = [bytes(authenticate.token), bytes(authenticate.message)];
        const mac = bytes(authenticate.ofToken[id]);
        for (let i = 0; i < mac.length; i++) {
          expect(protocol.verify(token, message, mac.with(i, (mac[i] ?? 0) ^ 1))).toBe(false);
          expect(protocol.verify(token, message, mac.subarray(0, i))).toBe(false);
        }
        expect(protocol.verify(token, message, new Uint8Array([...mac, 0]))).toBe(false);
        expect(protocol.verify(token, message, bytes(authenticate.ofToken[id === 1 ? 2 : 1]))).toBe(false);
      });

      it(`protocol ${id} shares its secret with a platform of another make`, () => {
        fc.assert(
          fc.property(fc.integer({ min: 1, max: 5 }), (blocks) => {
            const protocol = protocolOf(id, crypto);
            const shared = platform.agree(id, protocol.publicKey as ReadonlyMap<platform.Key, platform.Value>);
            const secret = protocol.decapsulate(
              coseKey(Object.fromEntries(shared.coseKey as ReadonlyMap<number, CborValue>)),
            );
            const plaintext = crypto.randomBytes(16 * blocks);
            expect(new Uint8Array(shared.decrypt(secret.encrypt(plaintext)))).toEqual(plaintext);
            expect(secret.decrypt(new Uint8Array(shared.encrypt(plaintext)))).toEqual(plaintext);
            expect(secret.verify(plaintext, new Uint8Array(shared.authenticate(plaintext)))).toBe(true);
          }),
          { numRuns: 10 },
        );
      });

      it(`protocol ${id} decrypts nothing of a length that does not fit`, () => {
        const secret = protocolOf(id, crypto).decapsulate(point(hmacSecret.platformX, hmacSecret.platformY));
        for (const length of [1, 15, 17, 31, 33]) expect(secret.decrypt(new Uint8Array(length))).toBeUndefined();
        if (id === 2) expect(secret.decrypt(new Uint8Array(0))).toBeUndefined();
      });
    }
  });
}

describe('key agreement', () => {
  const crypto = createOpensslCrypto();
  const protocol = protocolOf(2, crypto);
  const { platformX: x, platformY: y } = vectors.hmacSecret;

  it('shows a COSE key of exactly five members (PIN-GEN-01)', () => {
    const key = protocol.publicKey as CborMap;
    expect([...key.keys()].sort()).toEqual([-1, -2, -3, 1, 3]);
    expect([key.get(1), key.get(3), key.get(-1)]).toEqual([2, -25, 1]);
  });

  it('keeps its key until told to make another', () => {
    const before = encodeCbor(protocol.publicKey);
    expect(encodeCbor(protocol.publicKey)).toEqual(before);
    protocol.regenerate();
    expect(encodeCbor(protocol.publicKey)).not.toEqual(before);
  });

  const whole = { 1: 2, 3: -25, [-1]: 1, [-2]: bytes(x), [-3]: bytes(y) };
  for (const [what, change, status] of [
    ['off the curve', { [-3]: bytes(y).with(31, 0) }, Status.INVALID_PARAMETER],
    ['with x too short', { [-2]: bytes(x).subarray(1) }, Status.INVALID_PARAMETER],
    ['with y too long', { [-3]: bytes(`00${y}`) }, Status.INVALID_PARAMETER],
    ['at infinity', { [-2]: new Uint8Array(32), [-3]: new Uint8Array(32) }, Status.INVALID_PARAMETER],
    ['of another curve', { [-1]: 2 }, Status.INVALID_PARAMETER],
    ['of another type', { 1: 3 }, Status.INVALID_PARAMETER],
    ['with x as text', { [-2]: 'x' }, Status.CBOR_UNEXPECTED_TYPE],
  ] as const) {
    it(`refuses a platform key ${what} (PIN-GEN-04)`, () => {
      expect(() => protocol.decapsulate(coseKey({ ...whole, ...change }))).toThrow(expect.objectContaining({ status }));
    });
  }

  it('does not look at the label `alg` of a platform key', () => {
    expect(() => protocol.decapsulate(coseKey({ ...whole, 3: -7 }))).not.toThrow();
  });
});
