// Published vectors: they hold the referee (test/support/platform.ts) to the specification, and the key's own
// encodings to the published ones.

import { describe, expect, it } from 'vitest';
import { encodeAuthenticatorData } from '../../ctap/authenticator-data.ts';
import { encodeCbor } from '../../ctap/cbor.ts';
import { coseKey } from '../../ctap/cose.ts';
import { createNobleCrypto } from '../../ctap/crypto/noble.ts';
import { createOpensslCrypto } from '../../src/openssl.ts';
import * as platform from '../support/platform.ts';
import u2f from '../vectors/u2f-raw-message-examples.json' with { type: 'json' };
import webauthn from '../vectors/webauthn-l3.json' with { type: 'json' };

const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
const backEnds = { noble: createNobleCrypto(), openssl: createOpensslCrypto() };

/** A COSE_Key of EC2 or OKP in the form of `Crypto.generateKeyPair`. */
function rawPublicKey(key: ReadonlyMap<platform.Key, platform.Value>): Uint8Array {
  const [x, y] = [key.get(-2), key.get(-3)] as [Uint8Array, Uint8Array | undefined];
  return y ? new Uint8Array([4, ...x, ...y]) : x;
}

for (const [name, { registration, authentication }] of Object.entries(webauthn.vectors)) {
  describe(`the WebAuthn Level 3 vector ${name}`, () => {
    const { value: attestationObject } = platform.decodeFirst(hex(registration.attestationObject));
    const members = attestationObject as ReadonlyMap<string, platform.Value>;
    const authData = members.get('authData') as Uint8Array;
    const data = platform.parseAuthenticatorData(authData);
    const clientDataHash = platform.sha256(hex(registration.clientDataJSON));
    const algorithm = Number(data.attested?.coseKey.get(3));

    it('has the authenticator data that we would encode', () => {
      const { attested } = data;
      if (!attested) throw new Error('no attested credential');
      const key = coseKey(algorithm, rawPublicKey(attested.coseKey));
      const flags = data.flags & ~0x40;
      const own = encodeAuthenticatorData(data.rpIdHash, flags, data.signCount, { ...attested, coseKey: key });
      expect(own).toEqual(authData);
    });

    it('has an assertion that verifies, by both back ends and the referee', () => {
      const authenticatorData = hex(authentication.authenticatorData);
      const assertionHash = platform.sha256(hex(authentication.clientDataJSON));
      const response: platform.Response = {
        status: 0,
        members: new Map<platform.Key, platform.Value>([
          [1, new Map(Object.entries({ id: hex(registration.credential_id), type: 'public-key' }))],
          [2, authenticatorData],
          [3, hex(authentication.signature)],
        ]),
      };
      const publicKey = platform.importCoseKey(data.attested?.coseKey ?? new Map());
      platform.verifyAssertion(response, webauthn.rpId, assertionHash, () => publicKey);
      const rawKey = rawPublicKey(data.attested?.coseKey ?? new Map());
      for (const crypto of Object.values(backEnds)) {
        const signed = new Uint8Array([...authenticatorData, ...assertionHash]);
        expect(crypto.verify(algorithm, rawKey, signed, hex(authentication.signature))).toBe(true);
      }
    });

    const statement = members.get('attStmt') as ReadonlyMap<string, platform.Value>;
    it('has a registration that the referee accepts', () => {
      const response: platform.Response = {
        status: 0,
        members: new Map<platform.Key, platform.Value>([
          [1, members.get('fmt') ?? ''],
          [2, authData],
          [3, statement],
        ]),
      };
      platform.verifyRegistration(response, webauthn.rpId, clientDataHash);
    });
  });
}

describe('the examples of the U2F raw message formats', () => {
  const { register, authenticate } = u2f;

  it('have a registration that the referee accepts', () => {
    const handle = hex(register.keyHandle);
    const data = Buffer.concat([
      Buffer.of(5),
      hex(register.userPublicKey),
      Buffer.of(handle.length),
      handle,
      hex(register.certificate),
      hex(register.signature),
    ]);
    const parsed = platform.verifyU2fRegistration(data, hex(register.challenge), hex(register.application));
    expect(new Uint8Array(parsed.keyHandle)).toEqual(handle);
  });

  it('have an authentication that signs what we sign: authenticator data and challenge', () => {
    const response = hex(authenticate.response);
    const authData = encodeAuthenticatorData(hex(authenticate.application), 0x01, 1);
    expect(authData.subarray(32)).toEqual(response.subarray(0, 5));
    const signed = new Uint8Array([...authData, ...hex(authenticate.challenge)]);
    for (const crypto of Object.values(backEnds)) {
      expect(crypto.verify(-7, hex(authenticate.userPublicKey), signed, response.subarray(5))).toBe(true);
    }
  });
});

describe('the ES256 key of python-fido2, tests/test_cose.py (BSD-2-Clause)', () => {
  const x = 'a5fd5ce1b1c458c530a54fa61b31bf6b04be8b97afde54dd8cbb69275a8a1be1';
  const y = 'fa3a3231dd9deed9d1897be5a6228c59501e4bcd12975d3dff730f01278ea61c';
  const point = hex(`04${x}${y}`);

  it('is encoded as there', () => {
    const encoded = Buffer.from(encodeCbor(coseKey(-7, point))).toString('hex');
    expect(encoded).toBe(`a5010203262001215820${x}225820${y}`);
  });

  it('verifies what was signed there', () => {
    const signed = hex(
      '0021f5fc0b85cd22e60623bcd7d1ca48948909249b4776eb515154e57b66ae12010000002c' +
        '7b89f12a9088b0f5ee0ef8f6718bccc374249c31aeebaeb79bd0450132cd536c',
    );
    const signature = hex(
      '304402202b3933fe954a2d29de691901eb732535393d4859aaa80d58b08741598109516d' +
        '0220236fbe6b52326c0a6b1cfdc6bf0a35bda92a6c2e41e40c3a1643428d820941e0',
    );
    for (const crypto of Object.values(backEnds)) expect(crypto.verify(-7, point, signed, signature)).toBe(true);
  });
});
