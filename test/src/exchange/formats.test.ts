// The formats of other managers, on sample files of their documented shapes: what comes in, what goes out again, and what
// a format cannot hold. All of the files have other entries than passkeys, too.

import { sign } from 'node:crypto';
import { deflateRawSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { bitwarden } from '../../../src/exchange/bitwarden.ts';
import { cxf } from '../../../src/exchange/cxf.ts';
import type { ExchangeFormat } from '../../../src/exchange/format.ts';
import { readExchange } from '../../../src/exchange/formats.ts';
import { keepassxc } from '../../../src/exchange/keepassxc.ts';
import { planMerge, portableVault } from '../../../src/exchange/merge.ts';
import { createOpensslCrypto } from '../../../src/openssl.ts';
import { FakeVault } from '../../support/fake-environment.ts';
import { bitwardenPasskeys, cxfPasskeys, type Document, read, sample } from './sample-files.ts';

const openssl = createOpensslCrypto();

/** Through a vault, as import and export go. */
async function roundTrip(document: Document, format: ExchangeFormat): Promise<Document> {
  const vault = new FakeVault();
  await planMerge(vault, { credentials: read(document).credentials, syncedIdKeys: [] }, false).apply();
  const stored = vault.relyingParties().flatMap(({ rpIdHash }) => vault.credentialsOf(rpIdHash));
  const { credentials } = portableVault(vault.device, stored);
  return JSON.parse(JSON.stringify(format.write(credentials)));
}

const byId = (passkeys: Document[]) => new Map(passkeys.map((passkey) => [passkey.credentialId, passkey]));

describe('a round trip through the vault gives back the same', () => {
  test('CXF passkeys; one that came without secrets for PRF has got some', async () => {
    const before = sample('cxf.json');
    const after = await roundTrip(before, cxf);
    const [bank, shop, forum] = cxfPasskeys(before);
    const same = byId(cxfPasskeys(after));
    expect(same.size).toBe(3);
    expect(same.get(bank.credentialId)).toEqual(bank);
    expect(same.get(shop.credentialId)).toEqual(shop);
    expect(same.get(forum.credentialId)).toEqual({ ...forum, fido2Extensions: { hmacCredentials: expect.anything() } });
    const bankItem = after.accounts[0].items.find(({ title }: Document) => title === 'Example Bank');
    expect(bankItem).toMatchObject({ creationAt: 1711017120, scope: { urls: ['https://bank.example'] } });
    expect(await roundTrip(after, cxf)).toMatchObject({ accounts: [{ items: after.accounts[0].items }] });
  });

  test('a KeePassXC passkey, byte for byte', async () => {
    const before = sample('keepassxc.passkey');
    expect(await roundTrip(before, keepassxc)).toEqual(before);
  });

  test('Bitwarden passkeys, with ids as UUID and as base64url', async () => {
    const before = sample('bitwarden.json');
    const after = await roundTrip(before, bitwarden);
    expect(byId(bitwardenPasskeys(after))).toEqual(byId(bitwardenPasskeys(before)));
    expect(after).toMatchObject({ encrypted: false, folders: [] });
  });
});

describe('what comes from another manager', () => {
  test('is synced, never counts, and signs with the key that it had', () => {
    const document = sample('keepassxc.passkey');
    const [credential] = read(document).credentials;
    expect(credential).toMatchObject({ kind: 'synced', algorithm: -7, rpId: 'webauthn.example', credProtect: 1 });
    if (!credential) return;
    expect(Buffer.from(credential.id).toString('base64url')).toBe(document.credentialId);
    expect(Buffer.from(credential.user.id).toString('base64url')).toBe(document.userHandle);
    const message = Buffer.from('challenge');
    const theirs = sign('sha256', message, document.privateKey);
    expect(openssl.verify(-7, credential.publicKey, message, theirs)).toBe(true);
    const ours = openssl.sign(-7, credential, message);
    expect(openssl.verify(-7, credential.publicKey, message, ours)).toBe(true);
  });

  test('has the same secrets for PRF wherever it is imported', () => {
    const [here] = read(sample('bitwarden.json')).credentials;
    const [there] = read(sample('bitwarden.json')).credentials;
    expect(here?.credRandom).toEqual(there?.credRandom);
    expect(here?.credRandom.withUV).not.toEqual(here?.credRandom.withoutUV);
  });

  test.each([
    ['cxf.json', 3, 3],
    ['keepassxc.passkey', 1, 0],
    ['bitwarden.json', 3, 3],
  ])('in %s is %i passkeys and %i other entries, which are counted', (name, passkeys, passedOver) => {
    const found = read(sample(name));
    expect(found.credentials).toHaveLength(passkeys);
    expect(found).toMatchObject({ passedOver, counted: 0 });
  });

  test('is told of where it counted its sign-ins', () => {
    const document = sample('bitwarden.json');
    document.items[1].login.fido2Credentials[0].counter = '7';
    document.items[2].login.fido2Credentials[0].counter = 9;
    expect(read(document).counted).toBe(2);
  });

  test.each([
    ['2024-03-21T10:31:42Z', 1_711_017_102_000],
    ['2024-03-21T11:31:42.1234567+01:00', 1_711_017_102_123],
  ])('was made at %s', (date, createdAt) => {
    const document = sample('bitwarden.json');
    document.items[1].login.fido2Credentials[0].creationDate = date;
    expect(read(document).credentials[0]?.createdAt).toBe(createdAt);
  });

  test('may have padding after its base64url', () => {
    const document = sample('cxf.json');
    const [passkey] = cxfPasskeys(document);
    passkey.credentialId += '=';
    expect(read(document).credentials[0]?.id).toHaveLength(32);
  });

  test('may have large blobs that are not compressed', () => {
    const document = sample('cxf.json');
    const plain = Buffer.from('as it is');
    cxfPasskeys(document)[0].fido2Extensions.largeBlob = {
      uncompressedSize: plain.length,
      data: plain.toString('base64url'),
    };
    const blob = read(document).credentials[0]?.largeBlob;
    expect(blob).toEqual({ uncompressedSize: plain.length, data: new Uint8Array(deflateRawSync(plain)) });
  });
});

describe('what a format cannot hold is refused', () => {
  const { credentials } = read(sample('cxf.json'));

  test('by Bitwarden and KeePassXC: other algorithms than theirs', () => {
    const forum = credentials.filter(({ rpId }) => rpId === 'forum.example');
    expect(() => bitwarden.write(forum)).toThrow('Bitwarden has ES256 only, and the passkey of forum.example is ES384');
    expect(() => keepassxc.write(forum)).toThrow('KeePassXC has ES256 and EdDSA, and this passkey is ES384');
    const shop = credentials.filter(({ rpId }) => rpId === 'shop.example');
    expect(keepassxc.write(shop)).toMatchObject({ relyingParty: 'shop.example' });
  });

  test.each([cxf, bitwarden, keepassxc])('by $title: a credential of something else than a website', (format) => {
    const [credential] = credentials;
    if (!credential) throw new Error('nothing to write');
    const { rpId: _, ...rest } = credential;
    expect(() => format.write([{ ...rest, rpId: 'ssh:\n' }])).toThrow('passkeys of websites only, and "ssh:·" is none');
    for (const rpId of ['localhost', '1.example', 'xn--bcher-kva.example', `${'a.'.repeat(123)}example`]) {
      expect(readExchange(JSON.stringify(format.write([{ ...rest, rpId }]))).credentials).toMatchObject([{ rpId }]);
    }
  });

  test('by KeePassXC: more than one passkey, or none', () => {
    expect(() => keepassxc.write(credentials)).toThrow('a KeePassXC passkey file has one passkey, not 3');
    expect(() => keepassxc.write([])).toThrow('not 0');
  });
});
