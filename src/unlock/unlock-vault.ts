// Opens a vault in whichever of its ways is at hand: first those that need nobody, then by asking the person.

import { type OpenVault, openVault } from '../../store/vault.ts';
import { readPassphrase } from '../cli/passphrase.ts';
import type { Config } from '../config.ts';

/** Where ways in are looked for. */
export type UnlockConfig = Pick<Config, 'passphraseFile' | 'keyFile'>;

/**
 * Opens the vault, by itself if it can, otherwise by asking on the terminal.
 * @throws VaultError; UserError where nobody can be asked or nobody answers
 */
export async function unlockVault(directory: string, config: UnlockConfig): Promise<OpenVault> {
  return (
    (await opensByItself(directory, config)) ?? openVault(directory, { passphrase: await readPassphrase(undefined) })
  );
}

/**
 * Opens the vault without a person: passphrase file, key file, service credential, keyring, systemd-creds.
 * @returns undefined if none of them opens it
 * @throws VaultError if the vault cannot be read at all
 */
export async function opensByItself(directory: string, config: UnlockConfig): Promise<OpenVault | undefined> {
  if (config.passphraseFile === undefined) return undefined;
  return openVault(directory, { passphrase: await readPassphrase(config.passphraseFile) });
}
