// passfob vault check on a vault with a damaged record.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { openDatabase, transact } from '../../../store/database.ts';
import { openVault } from '../../../store/vault.ts';
import { Home } from '../../support/program.ts';
import { sampleCredential } from '../../support/vault-contract.ts';

/** It is a row of processes. */
vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

let home: Home;
beforeAll(async () => {
  home = new Home();
  await home.makeVault();
  const vault = await openVault(home.vault, { keyFile: readFileSync(home.keyFile) });
  await vault.update((tx) => {
    for (const number of [1, 2]) tx.putCredential(sampleCredential(number));
  });
  await vault.close();
  const { database } = openDatabase(home.vault);
  const range = { start: Uint8Array.of(0x10), end: Uint8Array.of(0x11), limit: 1 };
  for (const { key, value } of Array.from(database.lmdb.getRange(range))) {
    const damaged = Buffer.from(value.with(60, (value[60] ?? 0) ^ 1));
    transact(database, 1, () => database.lmdb.putSync(Uint8Array.from(key), damaged));
  }
  await database.close();
});
afterAll(() => home.remove());

test('names the damage and what helps, and forgets it only after a yes, which a daemon does, too', async () => {
  const { code, stdout, stderr } = await home.run('vault', 'check');
  expect(stdout).toMatch(/^1 credential of .*: sound\nexample.org: record 10[0-9a-f]{64} is damaged\n$/);
  expect(stderr).toContain('`passfob restore`');
  expect(stderr).toContain('`passfob vault check --drop-damaged`');
  expect(code).toBe(3);
  await home.start('--consent', 'never');
  expect(await home.run('vault', 'check', '--drop-damaged')).toMatchObject({ code: 2, stdout: stdout });
  expect(await home.json('vault', 'check', '--drop-damaged', '--yes')).toMatchObject({ sound: 1, dropped: 1 });
  expect(await home.json('vault', 'check')).toEqual({ sound: 1, mended: 0, damaged: [], dropped: 0 });
});
