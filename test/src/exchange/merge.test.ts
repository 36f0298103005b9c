// What leaves a vault and how it comes into another, on vaults in memory.

import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { findCredential, sealCredentialId } from '../../../ctap/credential-id.ts';
import type { Credential } from '../../../ctap/env.ts';
import { JsonReader } from '../../../src/exchange/json-reader.ts';
import { encodeLargeBlobs, sealLargeBlob } from '../../../src/exchange/large-blobs.ts';
import { planMerge, portableVault } from '../../../src/exchange/merge.ts';
import {
  type PortableCredential,
  type PortableVault,
  portableVaultJson,
  readPortableVault,
} from '../../../src/exchange/portable.ts';
import { createOpensslCrypto } from '../../../src/openssl.ts';
import { VaultError } from '../../../store/vault.ts';
import { FakeVault, seededRandom } from '../../support/fake-environment.ts';
import { sampleCredential } from '../../support/vault-contract.ts';

const openssl = createOpensslCrypto();

function synced(number: number, change: Partial<Credential> = {}): PortableCredential {
  const rpId = 'example.org';
  const rpIdHash = openssl.sha256(Buffer.from(rpId));
  const key = openssl.generateKeyPair(change.algorithm ?? -7);
  return { ...sampleCredential(number), rpId, rpIdHash, ...key, ...change, kind: 'synced' };
}

async function vaultWith(name: string, ...credentials: Credential[]): Promise<FakeVault> {
  const vault = new FakeVault(seededRandom(name));
  await vault.update((tx) => {
    for (const credential of credentials) tx.putCredential(credential);
  });
  return vault;
}

/** What a backup of the vault has, after its way through JSON. */
function contentOf(vault: FakeVault): PortableVault {
  const stored = vault.relyingParties().flatMap(({ rpIdHash }) => vault.credentialsOf(rpIdHash));
  const json = JSON.stringify(portableVaultJson(portableVault(vault.device, stored)));
  return readPortableVault(new JsonReader(JSON.parse(json)));
}

const ids = (credentials: readonly Credential[]) => credentials.map(({ id }) => id[0]);

describe('into a fresh vault', () => {
  test('come all synced credentials with all that belongs to them, and no device-bound one', async () => {
    const whole = synced(1, {
      credProtect: 3,
      thirdPartyPayment: true,
      credBlob: Uint8Array.of(1, 2),
      largeBlobKey: new Uint8Array(32).fill(9),
    });
    const { rpName: _, ...plain } = synced(2, { user: { id: Uint8Array.of(7) } });
    const source = await vaultWith('source', whole, plain, sampleCredential(3));
    const target = await vaultWith('target');
    const merge = planMerge(target, contentOf(source), false);
    expect([merge.added, merge.present, merge.differing].map(ids)).toEqual([[1, 2], [], []]);
    await merge.apply();
    expect(target.credential(whole.id)).toEqual(whole);
    expect(target.credential(plain.id)).toEqual(plain);
    expect(target.credentialCount()).toBe(2);
  });

  test.each(openssl.algorithms)('comes a key of algorithm %i that signs', async (algorithm) => {
    const source = await vaultWith('source', synced(1, { algorithm }));
    const [credential] = contentOf(source).credentials;
    if (!credential) throw new Error('nothing came');
    const message = Buffer.from('challenge');
    const signature = openssl.sign(algorithm, credential, message);
    expect(openssl.verify(algorithm, credential.publicKey, message, signature)).toBe(true);
  });

  test('comes what opens synced ids that are not discoverable, also by way of a third vault; a reset forgets it', async () => {
    const [first, second, third] = [await vaultWith('1'), await vaultWith('2'), await vaultWith('3')];
    const { rpIdHash, ...key } = synced(1);
    const seal = (kind: Credential['kind']) =>
      sealCredentialId(openssl, first.device.credentialIdKey, { ...key, rpIdHash, kind });
    const [wanted, unwanted] = [seal('synced'), seal('device-bound')];
    expect(findCredential(second, openssl, rpIdHash, wanted)).toBeUndefined();
    await planMerge(second, contentOf(first), false).apply();
    await planMerge(third, contentOf(second), false).apply();
    for (const vault of [second, third]) {
      expect(findCredential(vault, openssl, rpIdHash, wanted)).toMatchObject({ privateKey: key.privateKey });
      expect(findCredential(vault, openssl, rpIdHash, unwanted)).toBeUndefined();
    }
    expect(planMerge(third, contentOf(first), false).newIdKeys).toEqual([]);
    await third.update((tx) => tx.reset());
    expect(findCredential(third, openssl, rpIdHash, wanted)).toBeUndefined();
  });
});

describe('into a vault with credentials', () => {
  let vault: FakeVault;
  const [mine, both, renamed] = [synced(1), synced(2), synced(3)];
  beforeEach(async () => {
    vault = await vaultWith('target', mine, both, { ...renamed, user: { ...renamed.user, name: 'new name' } });
  });
  const incoming = { credentials: [both, renamed, synced(4)], syncedIdKeys: [] };

  test('come those that are missing; what differs stays as it is', async () => {
    const merge = planMerge(vault, incoming, false);
    expect([merge.added, merge.present, merge.differing].map(ids)).toEqual([[4], [2], [3]]);
    await merge.apply();
    expect(vault.credentialCount()).toBe(4);
    expect(vault.credential(renamed.id)?.user.name).toBe('new name');
    expect(vault.credential(mine.id)).toEqual(mine);
  });

  test('comes what differs, too, if it is to replace', async () => {
    await planMerge(vault, incoming, true).apply();
    expect(vault.credential(renamed.id)).toEqual(renamed);
  });

  test.each<[string, PortableCredential[]]>([
    ['has another key in the vault', [synced(5), synced(1)]],
    ['has another key in the vault', [{ ...mine, rpId: 'example.com' }]],
    ['comes twice, with different keys', [synced(6), synced(6)]],
  ])('comes nothing at all if one %s', (reason, credentials) => {
    expect(() => planMerge(vault, { credentials, syncedIdKeys: [] }, true)).toThrow(reason);
    expect(vault.credentialCount()).toBe(3);
  });

  test('comes no synced twin of a device-bound credential', async () => {
    const bound: Credential = { ...synced(7), kind: 'device-bound' };
    await vault.update((tx) => tx.putCredential(bound));
    const twin: PortableCredential = { ...bound, kind: 'synced' };
    expect(() => planMerge(vault, { credentials: [twin], syncedIdKeys: [] }, true)).toThrow('is device-bound');
  });

  test('comes one that is damaged there', async () => {
    vault.credential = () => {
      throw new VaultError('corrupt', 'a record is damaged');
    };
    expect(ids(planMerge(vault, { credentials: [mine], syncedIdKeys: [] }, false).added)).toEqual([1]);
  });

  test('comes nothing if the transaction fails', async () => {
    vault.failure = new Error('the disk is full');
    await expect(planMerge(vault, incoming, false).apply()).rejects.toThrow('the disk is full');
    expect(vault.credentialCount()).toBe(3);
  });
});

describe('a large blob', () => {
  const data = new Uint8Array(deflateRawSync(Buffer.from('a certificate')));
  const largeBlob = { uncompressedSize: 13, data };
  const owner = synced(1, { largeBlobKey: new Uint8Array(32).fill(9) });
  const foreign = sealLargeBlob(openssl, new Uint8Array(32).fill(8), largeBlob);

  async function source(): Promise<FakeVault> {
    const vault = await vaultWith('source', owner, synced(2, { largeBlobKey: new Uint8Array(32).fill(7) }));
    const sealed = sealLargeBlob(openssl, new Uint8Array(32).fill(9), largeBlob);
    await vault.update((tx) => tx.setDevice({ largeBlobArray: encodeLargeBlobs(openssl, [foreign, sealed]) }));
    return vault;
  }

  test('goes with its credential, and no other does', async () => {
    const content = contentOf(await source());
    expect(content.credentials.map((credential) => credential.largeBlob)).toEqual([largeBlob, undefined]);
    const target = await vaultWith('target');
    await planMerge(target, content, false).apply();
    expect(contentOf(target).credentials).toEqual(content.credentials);
    expect(planMerge(target, content, false)).toMatchObject({ added: [], differing: [] });
  });

  test('takes the place of the one that its credential had, and leaves others alone', async () => {
    const vault = await source();
    const newer = { uncompressedSize: 5, data: new Uint8Array(deflateRawSync(Buffer.from('newer'))) };
    await planMerge(vault, { credentials: [{ ...owner, largeBlob: newer }], syncedIdKeys: [] }, true).apply();
    expect(contentOf(vault).credentials[0]?.largeBlob).toEqual(newer);
    const emptied = encodeLargeBlobs(openssl, [foreign]).length;
    await planMerge(vault, { credentials: [owner], syncedIdKeys: [] }, true).apply();
    expect(vault.device.largeBlobArray).toHaveLength(emptied);
  });

  test('without a key gets one', async () => {
    const target = await vaultWith('target');
    const { largeBlobKey: _, ...keyless } = owner;
    await planMerge(target, { credentials: [{ ...keyless, largeBlob }], syncedIdKeys: [] }, false).apply();
    expect(target.credential(owner.id)?.largeBlobKey).toHaveLength(32);
    expect(contentOf(target).credentials[0]?.largeBlob).toEqual(largeBlob);
  });

  test('for which there is no room stops all', async () => {
    const target = await vaultWith('target');
    const huge = { uncompressedSize: 20_000, data: new Uint8Array(20_000) };
    const merge = () => planMerge(target, { credentials: [{ ...owner, largeBlob: huge }], syncedIdKeys: [] }, false);
    expect(merge).toThrow('expected large blobs of at most 16384 bytes in all');
  });

  test('cannot be added to an array that is not what platforms write', async () => {
    const target = await vaultWith('target');
    await target.update((tx) => tx.setDevice({ largeBlobArray: new Uint8Array(20) }));
    const merge = () => planMerge(target, { credentials: [{ ...owner, largeBlob }], syncedIdKeys: [] }, false);
    expect(merge).toThrow('is not one that can be added to');
    expect(contentOf(target).credentials).toEqual([]);
  });
});

describe('JSON that was tampered with', () => {
  const json = portableVaultJson({ credentials: [synced(1)], syncedIdKeys: [new Uint8Array(32)] });
  const [credential] = json.credentials;

  test.each<[string, object]>([
    ['credentials[0].key: expected a sound key', { key: { ...credential?.key, d: credential?.key['x'] } }],
    ['credentials[0].key: expected a sound key', { key: { ...credential?.key, d: 'AAAA' } }],
    ['credentials[0].key.d: expected base64url', { key: { ...credential?.key, d: `${credential?.key['d']}AA` } }],
    ['credentials[0].key: expected the key of an algorithm that passfob has', { key: { kty: 'RSA' } }],
    ['credentials[0].credProtect: expected 1 or 2 or 3, got a number', { credProtect: 4 }],
    ['credentials[0].largeBlobKey: expected 32 bytes in base64url, got 3', { largeBlobKey: 'AAAA' }],
    ['credentials[0].credRandom: expected an object, got null', { credRandom: null }],
    ['credentials[0].createdAt: expected a date', { createdAt: '' }],
    ['credentials[0].rpId: expected a text that is not empty', { rpId: '' }],
    ['credentials[0].rpId: expected a text of Unicode', { rpId: 'example\udc00' }],
  ])('is refused: %s', (message, change) => {
    const changed = { ...json, credentials: [{ ...credential, ...change }] };
    expect(() => readPortableVault(new JsonReader(changed))).toThrow(message);
  });

  test('whatever it is, never leads to another error than one for people', () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.constantFrom(...Object.keys(credential ?? {})), (value, name) => {
        const changed = { ...json, credentials: [{ ...credential, [name]: value }] };
        try {
          readPortableVault(new JsonReader(changed));
        } catch (error) {
          expect(error).toMatchObject({ name: 'UserError' });
        }
      }),
    );
  });
});
