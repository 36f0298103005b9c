// Asked before any way into a vault is tried: is there one?

import { vaultExists } from '../../store/vault.ts';
import { exitCode, UserError } from '../errors.ts';

/** @throws UserError if there is no vault in `directory` */
export function requireVault(directory: string): void {
  if (vaultExists(directory)) return;
  throw new UserError(`there is no vault in ${directory}`, 'make one with `passfob vault init`', exitCode.vault);
}
