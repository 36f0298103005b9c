// What a check of a vault tells.

import { describe, expect, test } from 'vitest';
import { checkVault } from '../../../src/control/check.ts';
import { type CheckReport, type OpenVault, VaultError } from '../../../store/vault.ts';
import { FakeVault } from '../../support/fake-environment.ts';

function vaultWith(report: CheckReport): OpenVault {
  return Object.assign(new FakeVault(), { check: async () => report, signCount: 0 }) as unknown as OpenVault;
}

describe('checking a vault', () => {
  test('finds nothing in a sound one', async () => {
    expect(await checkVault(vaultWith({ sound: 2, mended: 1, damaged: [] }))).toEqual({
      sound: 2,
      mended: 1,
      damaged: [],
    });
  });

  test('tells of records of credentials, and of those that there is one of each, which cannot be dropped', async () => {
    const lost = { record: '10aa', rpId: 'example.org', message: 'record 10aa is missing' };
    const vault = vaultWith({ sound: 1, mended: 0, damaged: [lost] });
    Object.defineProperty(vault, 'device', {
      get: () => {
        throw new VaultError('corrupt', 'record 02 is damaged', { record: '02' });
      },
    });
    expect((await checkVault(vault)).damaged).toEqual([
      { ...lost, droppable: true },
      { record: '02', rpId: null, message: 'record 02 is damaged', droppable: false },
    ]);
  });
});
