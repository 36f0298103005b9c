import { expect, it } from 'vitest';
import { createNobleCrypto } from '../../../ctap/crypto/noble.ts';
import { createOpensslCrypto } from '../../../src/openssl.ts';
import { cryptoContract } from '../../support/crypto-contract.ts';
import { seededRandom } from '../../support/fake-environment.ts';

cryptoContract('noble', createNobleCrypto, () => createOpensslCrypto());

it('makes the same keys from the same randomness', () => {
  const [one, two] = [createNobleCrypto(seededRandom('a')), createNobleCrypto(seededRandom('a'))];
  expect(one.generateKeyPair(-7)).toEqual(two.generateKeyPair(-7));
  expect(one.generateKeyPair(-7)).not.toEqual(createNobleCrypto(seededRandom('b')).generateKeyPair(-7));
});
