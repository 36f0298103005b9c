// Two that make a vault in the same folder at once.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { createVault, openVault } from '../../store/vault.ts';

const race = vi.hoisted(() => ({ isOn: false }));
vi.mock('node:fs', async (original) => {
  const fs = await original<typeof import('node:fs')>();
  // Neither sees the other's file before it gives its own the name.
  const existsSync = (path: string) => !(race.isOn && path.endsWith('vault/data.mdb')) && fs.existsSync(path);
  return { ...fs, existsSync };
});

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'passfob-creation-'));
});
afterEach(() => {
  race.isOn = false;
  rmSync(root, { recursive: true, force: true });
});

it('leaves the vault of the first, and tells the second', async () => {
  const directory = join(root, 'vault');
  const keys = [1, 2].map((number) => ({ keyFile: new Uint8Array(32).fill(number) }));
  const [first, second] = keys;
  if (!first || !second) throw new Error('there are two');
  const made = await createVault(directory, first);
  const { credentialIdKey } = made.device;
  race.isOn = true;
  await expect(createVault(directory, second)).rejects.toEqual(expect.objectContaining({ code: 'exists' }));
  race.isOn = false;
  await made.update((tx) => tx.setDevice({ pinRetries: 3 }));
  const opened = await openVault(directory, first);
  expect(opened.device).toMatchObject({ credentialIdKey, pinRetries: 3 });
  await opened.close();
  await made.close();
  expect(readdirSync(directory).sort()).toEqual(['data.mdb', 'lock.mdb']);
});
