// What may become of a credential by way of the operations, on a vault on the disk.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type Device, LocalOperations } from '../../../src/control/local-operations.ts';
import { base64url } from '../../../src/jwk.ts';
import { createVault, type OpenVault } from '../../../store/vault.ts';
import { sampleCredential } from '../../support/vault-contract.ts';

let folder: string;
let vault: OpenVault;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'passfob-operations-'));
  vault = await createVault(join(folder, 'vault'), { passphrase: 'correct horse' }, { scryptLogN: 1 });
});
afterEach(async () => {
  await vault.close();
  rmSync(folder, { recursive: true });
});

test.each([
  ['userName', '\ud83d'],
  ['userDisplayName', 'key \udd11'],
])('a %s that is no Unicode is refused, and the credential stays as it is', async (field, name) => {
  const credential = sampleCredential(1);
  await vault.update((tx) => tx.putCredential(credential));
  const operations = new LocalOperations(vault, {} as Device);
  await expect(operations.rename(base64url(credential.id), { [field]: name })).rejects.toThrow(
    `${field}: expected a text of Unicode, got half a character`,
  );
  expect(vault.credential(credential.id)).toEqual(credential);
});

test('a record that could not be read back is never committed', async () => {
  const credential = sampleCredential(1);
  await vault.update((tx) => tx.putCredential(credential));
  await expect(vault.update((tx) => tx.putCredential({ ...credential, rpName: 'half \ud83d' }))).rejects.toThrow(
    'half a surrogate pair',
  );
  expect(vault.credential(credential.id)).toEqual(credential);
});
