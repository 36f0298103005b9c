// A sample vault of every format that a version of passfob wrote: each opens, and is what it was.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openVault, readSlots } from '../../store/vault.ts';
import { sampleCredential } from '../support/vault-contract.ts';

const unlock = { passphrase: 'correct horse' };

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'passfob-sample-'));
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function unpack(format: number): void {
  mkdirSync(directory, { recursive: true });
  const sample = new URL(`samples/format-${format}.mdb.gz`, import.meta.url);
  writeFileSync(join(directory, 'data.mdb'), gunzipSync(readFileSync(sample)));
}

describe.each([1, 2])('the sample of format %i', (format) => {
  beforeEach(() => unpack(format));

  it('opens with everything that was in it, also the second time', async () => {
    for (const _ of [1, 2]) {
      const vault = await openVault(directory, unlock);
      for (const number of [1, 2]) {
        expect(vault.credential(sampleCredential(number).id)).toEqual(sampleCredential(number));
      }
      const other = sampleCredential(3, { rpIdHash: new Uint8Array(32).fill(0xbb), rpId: 'example.com' });
      expect(vault.credentialsOf(other.rpIdHash)).toEqual([other]);
      expect(vault.credentialCount()).toBe(3);
      expect(vault.device).toMatchObject({
        pinRetries: 5,
        alwaysUv: true,
        minPinLengthRPIDs: ['example.org'],
        credentialKind: 'synced',
      });
      expect(vault.signCount).toBe(42);
      await vault.close();
    }
  });

  it('has one way in, a passphrase, and can be rekeyed', async () => {
    expect(await readSlots(directory)).toEqual([expect.objectContaining({ kind: 'passphrase' })]);
    await expect(openVault(directory, { passphrase: 'wrong' })).rejects.toThrow('does not open');
    await expect(openVault(directory, { keyFile: new Uint8Array(32) })).rejects.toThrow('does not open');
    const vault = await openVault(directory, unlock);
    await vault.rekey();
    await vault.close();
    const again = await openVault(directory, unlock);
    expect(again.credentialCount()).toBe(3);
    expect(again.slots()).toEqual([expect.objectContaining({ id: expect.stringMatching(/^[0-9a-f]{8}$/) })]);
    await again.close();
  });
});
