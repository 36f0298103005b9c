// What of the configuration locks and unlocks a key: against a real vault, and a monitor of the desktop that is a fake.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { loadConfig, type Settings } from '../../../src/config.ts';
import { lockSettings } from '../../../src/lock/lock-settings.ts';
import { createLog } from '../../../src/log.ts';
import { openDatabase } from '../../../store/database.ts';
import { readHeader } from '../../../store/header-store.ts';
import { slotField } from '../../../store/slots.ts';
import { createVault, defaultScryptLogN, openVault } from '../../../store/vault.ts';

const unlock = { passphrase: 'correct horse' };

let home: string;
let directory: string;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'passfob-lock-settings-'));
  directory = join(home, 'vault');
  await (await createVault(directory, unlock, { scryptLogN: 1 })).close();
});
afterEach(() => rmSync(home, { recursive: true }));

function settings(flags: Settings = {}, log: string[] = []) {
  const config = loadConfig({ vault: directory, ...flags }, { env: {}, home });
  return lockSettings(
    config,
    createLog('info', (line) => log.push(line)),
    undefined,
    false,
  );
}

/** The cost of the passphrase, as 2^N. */
async function cost(): Promise<unknown> {
  const { database } = openDatabase(directory);
  try {
    return readHeader(database).slots[0]?.get(slotField.scryptLogN);
  } finally {
    await database.close();
  }
}

test("who unlocks with a passphrase brings its slot to today's cost", async () => {
  expect(await cost()).toBe(1);
  await (await settings().open(unlock)).close();
  expect(await cost()).toBe(defaultScryptLogN);
});

test('a daemon whose slot another process brought to that cost can be locked and unlocked, also after a rekeying', async () => {
  const vault = await openVault(directory, unlock);
  const elsewhere = await settings().open(unlock);
  await elsewhere.rekey();
  await elsewhere.close();
  expect(() => vault.device).toThrow('the way in that the vault was opened with is gone');
  await vault.close();
  const again = await settings().open(unlock);
  expect(again.credentialCount()).toBe(0);
  await again.close();
});

test.each([
  ['a warning to whom it was asked for', true, 'warn'],
  ['information to others', undefined, 'info'],
])('that nobody tells when the screen is locked is %s', async (_, lockOnScreenLock, level) => {
  vi.stubEnv('PATH', '/nonexistent');
  const log: string[] = [];
  const end = settings({ lockOnScreenLock }, log).watchScreen?.(() => undefined);
  await vi.waitFor(() => expect(log).toHaveLength(1));
  expect(log[0]).toMatch(new RegExp(`^${level}: the vault is not locked with the screen: .*ENOENT`));
  end?.();
  vi.unstubAllEnvs();
});

test('the screen is not watched where that is not wanted', () => {
  expect(settings({ lockOnScreenLock: false }).watchScreen).toBeUndefined();
});
