// What is left of a vault's secrets in the memory of a process that closed it. docs/security-model.md says what JavaScript
// cannot reach.

import { execFileSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createVault } from '../../store/vault.ts';
import { sampleCredential } from '../support/vault-contract.ts';

const count = 100;
let root: string;
beforeAll(async () => {
  root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'passfob-memory-'));
  const keyFile = randomBytes(32);
  writeFileSync(join(root, 'key'), keyFile);
  const vault = await createVault(join(root, 'vault'), { keyFile });
  const privateKeys = Array.from({ length: count }, () => Uint8Array.from(randomBytes(32)));
  await vault.update((tx) => {
    for (const [index, privateKey] of privateKeys.entries()) {
      tx.putCredential(sampleCredential(index + 1, { privateKey }));
    }
  });
  const sought = [
    { name: 'key file', secret: keyFile },
    { name: 'credentialIdKey', secret: vault.device.credentialIdKey },
    ...privateKeys.map((secret, index) => ({ name: `private key ${index + 1}`, secret })),
  ].map(({ name, secret }) => ({
    name,
    first: Buffer.from(secret.subarray(16, 24)).toString('hex'),
    rest: createHash('sha256').update(secret.subarray(24)).digest('hex'),
  }));
  writeFileSync(join(root, 'sought.json'), JSON.stringify(sought));
  await vault.close();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe.skipIf(process.platform !== 'linux')('a process that closed its vault (only Linux shows its memory)', () => {
  const left = (what: string) => {
    const child = new URL('memory-child.mjs', import.meta.url).pathname;
    const files = [join(root, 'vault'), join(root, 'key'), what, join(root, 'sought.json')];
    return JSON.parse(execFileSync(process.execPath, ['--expose-gc', child, ...files], { encoding: 'utf8' }));
  };

  // While a record is opened the garbage collector may run, and leave a copy of what that holds: by chance, so not always.
  it.each([
    ['use', 5],
    ['list', 5],
    ['change', 0],
    ['rekey', 5],
  ])('has no secret of it left, but by chance: %s', { timeout: 120_000 }, (what, most) => {
    let found = left(what);
    for (let tries = 1; tries < 3 && Object.keys(found).length > most; tries++) found = left(what);
    expect(found).not.toHaveProperty('key file');
    expect(Object.keys(found).length, JSON.stringify(found)).toBeLessThanOrEqual(most);
  });
});
