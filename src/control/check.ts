// Opens every record of a vault and says which ones are damaged, by the name of their relying party where it is known.

import { type OpenVault, VaultError } from '../../store/vault.ts';
import type { DamagedRecord, VaultCheck } from './operations.ts';

/** Hexadecimal digits that the records of one relying party begin with. docs/store-format.md */
const rpNameDigits = 2 * (1 + 16);

export function checkVault(vault: OpenVault): VaultCheck {
  const errors: VaultError[] = [];
  let sound = 0;
  for (const entry of vault.credentials()) {
    if (entry instanceof VaultError) errors.push(entry);
    else sound++;
  }
  const rpIds = errors.length > 0 ? namesOfDamaged(vault) : new Map<string, string>();
  const damaged = errors.map((error) => ({ ...describe(error), rpId: rpIds.get(rpName(error)) ?? null }));
  for (const read of [() => vault.device, () => vault.signCount]) {
    const error = failureOf(read);
    if (error) damaged.push({ ...describe(error), rpId: null });
  }
  return { sound, damaged };
}

/** By what the keys of their records begin with: the relying parties that have sound credentials and damaged ones. */
function namesOfDamaged(vault: OpenVault): Map<string, string> {
  const names = new Map<string, string>();
  for (const { rpId, rpIdHash } of vault.relyingParties()) {
    const error = failureOf(() => vault.credentialsOf(rpIdHash));
    if (error?.record) names.set(rpName(error), rpId);
  }
  return names;
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

function rpName({ record }: VaultError): string {
  return record?.slice(0, rpNameDigits) ?? '';
}

function describe({ record, message }: VaultError): Omit<DamagedRecord, 'rpId'> {
  return { record: record ?? null, message };
}
