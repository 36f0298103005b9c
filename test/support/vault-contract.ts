// What every Vault must do, be it in memory or on the disk: run by the fake's tests and by those of store/.

import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Credential, Vault } from '../../ctap/env.ts';

export interface VaultUnderTest {
  readonly vault: Vault;
  /** Closes the vault and opens it again from what is stored; left out where nothing is. */
  reopen?(): Promise<Vault>;
  close(): Promise<void>;
}

/** A credential that differs from others in all its bytes. */
export function sampleCredential(number: number, change: Partial<Credential> = {}): Credential {
  return {
    id: new Uint8Array(32).fill(number),
    rpIdHash: new Uint8Array(32).fill(0xaa),
    algorithm: -7,
    privateKey: new Uint8Array(32).fill(number + 100),
    publicKey: new Uint8Array(65).fill(number + 50),
    kind: 'device-bound',
    credProtect: 1,
    credRandom: { withUV: new Uint8Array(32).fill(number + 1), withoutUV: new Uint8Array(32).fill(number + 2) },
    thirdPartyPayment: false,
    rpId: 'example.org',
    rpName: 'Example – \u{1f511}',
    user: { id: Uint8Array.of(number, 0, 0xff), name: `user${number}`, displayName: `Usér ${number}` },
    createdAt: 1_767_225_600_000 + number,
    ...change,
  };
}

export function vaultContract(name: string, makeVault: () => Promise<VaultUnderTest>): void {
  describe(`${name} keeps the vault's contract`, () => {
    let underTest: VaultUnderTest;
    let vault: Vault;
    beforeEach(async () => {
      underTest = await makeVault();
      vault = underTest.vault;
    });
    afterEach(() => underTest.close());

    const put = (...credentials: Credential[]) =>
      vault.update((tx) => {
        for (const credential of credentials) tx.putCredential(credential);
      });

    it('begins empty, with a credential id key of 32 bytes', () => {
      expect(vault.credential(new Uint8Array(32))).toBeUndefined();
      expect(vault.credentialsOf(new Uint8Array(32).fill(0xaa))).toEqual([]);
      expect(vault.device.credentialIdKey).toHaveLength(32);
    });

    it('gives back a credential with all its members', async () => {
      const credential = sampleCredential(1);
      await put(credential);
      expect(vault.credential(credential.id)).toEqual(credential);
      expect(vault.credentialsOf(credential.rpIdHash)).toEqual([credential]);
    });

    it('gives back the members that only some credentials have', async () => {
      const credential = sampleCredential(1, {
        kind: 'synced',
        credProtect: 3,
        thirdPartyPayment: true,
        credBlob: Uint8Array.of(),
        largeBlobKey: new Uint8Array(32).fill(9),
      });
      await put(credential);
      expect(vault.credential(credential.id)).toEqual(credential);
    });

    it('leaves out the members that a credential does not have', async () => {
      const { rpName: _, ...credential } = sampleCredential(1, { user: { id: Uint8Array.of(1) } });
      await put(credential);
      expect(vault.credential(credential.id)).toEqual(credential);
    });

    it('takes ids of 16 to 255 bytes and looks for any', async () => {
      const short = sampleCredential(1, { id: new Uint8Array(16).fill(1) });
      const long = sampleCredential(2, { id: new Uint8Array(255).fill(1) });
      await put(short, long);
      expect(vault.credential(short.id)).toEqual(short);
      expect(vault.credential(long.id)).toEqual(long);
      for (const length of [0, 1, 15, 254, 1023, 7000]) {
        expect(vault.credential(new Uint8Array(length).fill(1))).toBeUndefined();
      }
    });

    it("lists a relying party's credentials, newest first", async () => {
      const other = sampleCredential(9, { rpIdHash: new Uint8Array(32).fill(0xbb) });
      await put(sampleCredential(2), sampleCredential(3), other, sampleCredential(1));
      expect(vault.credentialsOf(new Uint8Array(32).fill(0xaa)).map(({ id }) => id[0])).toEqual([3, 2, 1]);
      expect(vault.credentialsOf(other.rpIdHash)).toEqual([other]);
    });

    it('replaces the credential with the same id', async () => {
      await put(sampleCredential(1));
      await put(sampleCredential(1, { user: { id: Uint8Array.of(7) } }));
      expect(vault.credentialsOf(new Uint8Array(32).fill(0xaa)).map(({ user }) => user)).toEqual([
        { id: Uint8Array.of(7) },
      ]);
    });

    it('deletes a credential, and does nothing about one that is not there', async () => {
      await put(sampleCredential(1), sampleCredential(2));
      await vault.update((tx) => {
        tx.deleteCredential(sampleCredential(1).id);
        tx.deleteCredential(new Uint8Array(32));
      });
      expect(vault.credential(sampleCredential(1).id)).toBeUndefined();
      expect(vault.credentialsOf(new Uint8Array(32).fill(0xaa))).toEqual([sampleCredential(2)]);
    });

    it('keeps a copy of its own', async () => {
      const credential = sampleCredential(1);
      await put(credential);
      credential.privateKey.fill(0);
      credential.id.fill(0);
      expect(vault.credential(sampleCredential(1).id)).toEqual(sampleCredential(1));
    });

    it('shows no change before it is durable', async () => {
      let during: unknown = 'not looked';
      const done = vault.update((tx) => {
        tx.putCredential(sampleCredential(1));
        during = vault.credential(sampleCredential(1).id);
      });
      expect(vault.credential(sampleCredential(1).id)).toBeUndefined();
      await done;
      expect(during).toBeUndefined();
      expect(vault.credential(sampleCredential(1).id)).toBeDefined();
    });

    it('changes nothing if the change throws half-way', async () => {
      await put(sampleCredential(1));
      const { credentialIdKey } = vault.device;
      const half = vault.update((tx) => {
        tx.reset();
        tx.putCredential(sampleCredential(2));
        throw new Error('half-way');
      });
      await expect(half).rejects.toThrow('half-way');
      expect(vault.credential(sampleCredential(1).id)).toEqual(sampleCredential(1));
      expect(vault.credential(sampleCredential(2).id)).toBeUndefined();
      expect(vault.device.credentialIdKey).toEqual(credentialIdKey);
    });

    it('makes the changes of several updates one after the other', async () => {
      const updates = [1, 2, 3].map((number) =>
        vault.update((tx) => tx.putCredential(sampleCredential(7, { user: { id: Uint8Array.of(number) } }))),
      );
      await Promise.all(updates);
      expect(vault.credential(sampleCredential(7).id)?.user.id).toEqual(Uint8Array.of(3));
    });

    it('names each relying party once, and counts credentials', async () => {
      const other = { rpIdHash: new Uint8Array(32).fill(0xbb), rpId: 'example.com' };
      await put(sampleCredential(1), sampleCredential(2), sampleCredential(3, other));
      expect(vault.credentialCount()).toBe(3);
      expect(vault.relyingParties().toSorted((a, b) => a.rpId.localeCompare(b.rpId))).toEqual([
        { ...other, rpName: sampleCredential(3).rpName },
        { rpId: 'example.org', rpIdHash: new Uint8Array(32).fill(0xaa), rpName: sampleCredential(1).rpName },
      ]);
    });

    it('begins in factory state, and changes the device state member by member', async () => {
      const { credentialIdKey, deviceIdentifier, credentialStoreState, ...rest } = vault.device;
      expect([credentialIdKey, deviceIdentifier, credentialStoreState].map(({ length }) => length)).toEqual([
        32, 16, 16,
      ]);
      expect(rest).toMatchObject({ pin: null, pinRetries: 8, minPINLength: 4, alwaysUv: false });
      const change = {
        pin: { salt: new Uint8Array(16).fill(1), verifier: new Uint8Array(32).fill(2), codePointLength: 6 },
        pinRetries: 3,
        uvRetries: 1,
        forcePINChange: true,
        minPINLength: 6,
        minPinLengthRPIDs: ['example.org', 'example.com'],
        pinComplexityPolicy: true,
        alwaysUv: true,
        enterpriseAttestation: true,
        longTouchForReset: true,
        largeBlobArray: new Uint8Array(16_384).fill(3),
        persistentPinUvAuthToken: new Uint8Array(32).fill(4),
        credentialKind: 'synced',
        restoredIdKeys: [new Uint8Array(32).fill(5), new Uint8Array(32).fill(6)],
      } as const;
      await vault.update((tx) => tx.setDevice(change));
      expect(vault.device).toEqual({ credentialIdKey, deviceIdentifier, credentialStoreState, ...change });
      await vault.update((tx) => tx.setDevice({ pin: null, persistentPinUvAuthToken: null }));
      expect(vault.device).toMatchObject({ pin: null, persistentPinUvAuthToken: null, pinRetries: 3 });
    });

    it('renews the state of the credential store with every change to credentials, and only then', async () => {
      const states = [vault.device.credentialStoreState];
      const noteAfter = async (change: Promise<void>) => {
        await change;
        states.push(vault.device.credentialStoreState);
      };
      await noteAfter(put(sampleCredential(1)));
      await noteAfter(vault.update((tx) => tx.deleteCredential(sampleCredential(1).id)));
      await noteAfter(vault.update((tx) => tx.reset()));
      expect(new Set(states.map((state) => Buffer.from(state).toString('hex'))).size).toBe(4);
      await noteAfter(vault.update((tx) => tx.setDevice({ pinRetries: 7 })));
      expect(states[4]).toEqual(states[3]);
    });

    it('forgets everything in a reset but the signature count and the kind of its credentials', async () => {
      await put(sampleCredential(1));
      await vault.update((tx) => tx.setDevice({ credentialKind: 'synced' }));
      const { credentialIdKey } = vault.device;
      const count = vault.nextSignCount();
      await vault.update((tx) => tx.reset());
      expect(vault.device.credentialKind).toBe('synced');
      expect(vault.credential(sampleCredential(1).id)).toBeUndefined();
      expect(vault.credentialsOf(new Uint8Array(32).fill(0xaa))).toEqual([]);
      expect(vault.device.credentialIdKey).toHaveLength(32);
      expect(vault.device.credentialIdKey).not.toEqual(credentialIdKey);
      expect(vault.nextSignCount()).toBeGreaterThan(count);
    });

    it('counts signatures upwards from 1', () => {
      let previous = 0;
      for (let i = 0; i < 300; i++) {
        const count = vault.nextSignCount();
        expect(count).toBeGreaterThan(previous);
        previous = count;
      }
    });

    it('keeps everything over closing and opening, where it is stored', async () => {
      if (!underTest.reopen) return;
      await put(sampleCredential(1));
      // A copy: closing wipes the key.
      const credentialIdKey = vault.device.credentialIdKey.slice();
      const count = vault.nextSignCount();
      const reopened = await underTest.reopen();
      expect(reopened.credential(sampleCredential(1).id)).toEqual(sampleCredential(1));
      expect(reopened.device.credentialIdKey).toEqual(credentialIdKey);
      expect(reopened.nextSignCount()).toBeGreaterThan(count);
    });
  });
}
