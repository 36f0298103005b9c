import { expect, it } from 'vitest';
import { createNobleCrypto } from '../../ctap/crypto/noble.ts';
import { createOpensslCrypto } from '../../src/openssl.ts';
import { cryptoContract } from '../support/crypto-contract.ts';

cryptoContract('openssl', () => createOpensslCrypto(), createNobleCrypto);

it('signs with more keys than it keeps imported, and after it forgot them', () => {
  const crypto = createOpensslCrypto();
  const noble = createNobleCrypto();
  const message = Uint8Array.of(1, 2, 3);
  const keyPairs = Array.from({ length: 200 }, () => crypto.generateKeyPair(-7));
  const check = (i: number) => {
    const keyPair = keyPairs[i];
    if (!keyPair) throw new Error('no key pair');
    expect(noble.verify(-7, keyPair.publicKey, message, crypto.sign(-7, keyPair, message))).toBe(true);
  };
  for (const i of [0, 199, 0, 100, 50]) check(i);
  crypto.forget();
  for (const i of [0, 199]) check(i);
});
