// passfob vault check, on a vault with damaged records.

import { describe, expect, test } from 'vitest';
import type { Credential } from '../../../ctap/env.ts';
import { checkVault } from '../../../src/control/check.ts';
import { type OpenVault, VaultError } from '../../../store/vault.ts';
import { FakeVault } from '../../support/fake-environment.ts';
import { sampleCredential } from '../../support/vault-contract.ts';

/** The first 17 bytes of a record's key stand for the relying party. docs/store-format.md */
const recordOf = (rp: string, id: string) => `10${rp.repeat(16)}${id.repeat(16)}`;
const damagedAt = (record: string) => new VaultError('corrupt', `record ${record} is damaged`, { record });

function vaultWith(known: { rpId: string; record?: string }[], entries: (Credential | VaultError)[]): OpenVault {
  const hash = (rpId: string) => Buffer.from(rpId.padEnd(32));
  return Object.assign(new FakeVault(), {
    credentials: () => entries,
    signCount: 0,
    relyingParties: () => known.map(({ rpId }) => ({ rpId, rpIdHash: hash(rpId) })),
    credentialsOf: (rpIdHash: Uint8Array) => {
      const record = known.find(({ rpId }) => hash(rpId).equals(rpIdHash))?.record;
      if (record !== undefined) throw damagedAt(record);
      return [];
    },
  }) as unknown as OpenVault;
}

describe('checking a vault', () => {
  test('finds nothing in a sound one', () => {
    const vault = vaultWith([{ rpId: 'example.com' }], [sampleCredential(1), sampleCredential(2)]);
    expect(checkVault(vault)).toEqual({ sound: 2, damaged: [] });
  });

  test('names the relying party of each damaged record, where another of its records tells', () => {
    const [first, second, other] = [recordOf('aa', '01'), recordOf('aa', '02'), recordOf('bb', '03')];
    const known = [{ rpId: 'example.com', record: first }, { rpId: 'example.org' }];
    const entries = [sampleCredential(1), damagedAt(first), damagedAt(second), damagedAt(other)];
    expect(checkVault(vaultWith(known, entries))).toEqual({
      sound: 1,
      damaged: [
        { record: first, rpId: 'example.com', message: `record ${first} is damaged` },
        { record: second, rpId: 'example.com', message: `record ${second} is damaged` },
        { record: other, rpId: null, message: `record ${other} is damaged` },
      ],
    });
  });

  test('tells of the records that there is one of each', () => {
    const vault = vaultWith([], []);
    Object.defineProperty(vault, 'device', {
      get: () => {
        throw damagedAt('02');
      },
    });
    expect(checkVault(vault).damaged).toEqual([{ record: '02', rpId: null, message: 'record 02 is damaged' }]);
  });
});
