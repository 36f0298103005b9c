// What of a vault is damaged: the records of credentials, and those that there is one of each.

import { type OpenVault, VaultError } from '../../store/vault.ts';
import type { VaultCheck } from './operations.ts';

export async function checkVault(vault: OpenVault): Promise<VaultCheck> {
  const { damaged, ...report } = await vault.check();
  const singles = [() => vault.device, () => vault.signCount].flatMap((read) => failureOf(read) ?? []);
  return {
    ...report,
    damaged: [
      ...damaged.map((record) => ({ ...record, droppable: true })),
      ...singles.map(({ record, message }) => ({ record: record ?? null, rpId: null, message, droppable: false })),
    ],
  };
}

function failureOf(read: () => unknown): VaultError | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (error instanceof VaultError) return error;
    throw error;
  }
}
