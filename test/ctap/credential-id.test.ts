import { describe, expect, it } from 'vitest';
import { openCredentialId, sealCredentialId, syncedIdKey } from '../../ctap/credential-id.ts';
import { createNobleCrypto } from '../../ctap/crypto/noble.ts';
import { createOpensslCrypto } from '../../src/openssl.ts';
import { seededRandom } from '../support/fake-environment.ts';

const noble = createNobleCrypto(seededRandom('ids'));
const openssl = createOpensslCrypto();
const keyPair = noble.generateKeyPair(-7);
const [idKey, rpIdHash] = [noble.randomBytes(32), noble.randomBytes(32)];

const source = {
  rpIdHash,
  algorithm: -7,
  ...keyPair,
  kind: 'device-bound',
  credProtect: 1,
  thirdPartyPayment: false,
} as const;

describe('a sealed credential id', () => {
  const id = sealCredentialId(noble, idKey, source);

  it('gives back what was sealed, with either crypto back end', () => {
    const expected = { id, ...source, credRandom: { withUV: expect.anything(), withoutUV: expect.anything() } };
    expect(openCredentialId(noble, idKey, rpIdHash, id)).toEqual(expected);
    expect(openCredentialId(openssl, idKey, rpIdHash, id)).toEqual(expected);
  });

  it('keeps what is unusual about the credential', () => {
    const unusual = { ...source, kind: 'synced', credProtect: 3, thirdPartyPayment: true } as const;
    const sealed = sealCredentialId(noble, idKey, unusual);
    expect(openCredentialId(openssl, idKey, rpIdHash, sealed)).toMatchObject(unusual);
    expect(sealed.length).toBeLessThanOrEqual(255);
  });

  it('has two secrets for hmac-secret, the same each time', () => {
    const [first, second] = [noble, openssl].map((crypto) => openCredentialId(crypto, idKey, rpIdHash, id)?.credRandom);
    expect(first).toEqual(second);
    expect(first?.withUV).toHaveLength(32);
    expect(first?.withUV).not.toEqual(first?.withoutUV);
  });

  it('is another one each time, of 79 bytes', () => {
    const other = sealCredentialId(noble, idKey, source);
    expect(other).not.toEqual(id);
    expect([id.length, other.length]).toEqual([79, 79]);
  });

  it.each(noble.algorithms)('of algorithm %i fits a U2F key handle and opens with either back end', (algorithm) => {
    const unusual = { kind: 'synced', credProtect: 3, thirdPartyPayment: true } as const;
    const other = { ...source, ...unusual, algorithm, ...openssl.generateKeyPair(algorithm) };
    const sealed = sealCredentialId(openssl, idKey, other);
    expect(sealed.length).toBeLessThanOrEqual(255);
    for (const crypto of [noble, openssl]) {
      expect(openCredentialId(crypto, idKey, rpIdHash, sealed)).toMatchObject(other);
    }
  });

  it('shows nothing of the keys', () => {
    const hex = Buffer.from(id).toString('hex');
    for (const secret of [keyPair.privateKey, keyPair.publicKey, idKey, rpIdHash]) {
      expect(hex).not.toContain(Buffer.from(secret).toString('hex').slice(0, 16));
    }
  });

  it('does not open for another relying party or another device', () => {
    expect(openCredentialId(noble, idKey, noble.randomBytes(32), id)).toBeUndefined();
    expect(openCredentialId(noble, noble.randomBytes(32), rpIdHash, id)).toBeUndefined();
  });

  it('of a synced credential opens on a device that got the key for it, one of a device-bound credential does not', () => {
    const restored = [noble.randomBytes(32), syncedIdKey(noble, idKey)];
    const synced = sealCredentialId(noble, idKey, { ...source, kind: 'synced' });
    const other = noble.randomBytes(32);
    expect(openCredentialId(openssl, other, rpIdHash, synced, restored)).toMatchObject({ kind: 'synced' });
    expect(openCredentialId(openssl, other, rpIdHash, id, restored)).toBeUndefined();
    expect(openCredentialId(openssl, other, rpIdHash, synced.with(0, 1), [idKey])).toBeUndefined();
  });

  it('does not open if one byte is changed, cut off or added', () => {
    for (let i = 0; i < id.length; i++) {
      expect(openCredentialId(openssl, idKey, rpIdHash, id.with(i, (id[i] ?? 0) ^ 1))).toBeUndefined();
      expect(openCredentialId(openssl, idKey, rpIdHash, id.subarray(0, i))).toBeUndefined();
    }
    expect(openCredentialId(openssl, idKey, rpIdHash, new Uint8Array([...id, 0]))).toBeUndefined();
  });

  it('costs no cryptography to recognise as foreign by version or length', () => {
    const idle = { ...noble, hmacSha256: () => expect.unreachable(), openAesGcm: () => expect.unreachable() };
    for (const foreign of [id.with(0, 3), new Uint8Array(0), new Uint8Array(41).fill(1), new Uint8Array(256).fill(1)]) {
      expect(openCredentialId(idle, idKey, rpIdHash, foreign)).toBeUndefined();
    }
  });
});
