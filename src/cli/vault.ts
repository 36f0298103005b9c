// passfob vault init.

import type { Command } from 'commander';
import { createVault, vaultExists } from '../../store/vault.ts';
import { loadConfig, type Settings } from '../config.ts';
import { exitCode, UserError } from '../errors.ts';
import { vaultOptions } from './key-session.ts';
import { printJson } from './output.ts';
import { readNewPassphrase } from './passphrase.ts';

export function addVaultCommands(program: Command): void {
  const noun = program.command('vault').description('make the vault that keeps the credentials');
  vaultOptions(noun.command('init').description('make a new vault under a new passphrase'))
    .option('--json', 'print JSON')
    .action(init);
}

async function init(flags: Settings & { json?: boolean }): Promise<void> {
  const { vaultDirectory, passphraseFile } = loadConfig(flags);
  if (vaultExists(vaultDirectory)) {
    throw new UserError(
      `${vaultDirectory} is a vault already`,
      'use it with `passfob run`, or name another place with --vault',
      exitCode.vault,
    );
  }
  const vault = await createVault(vaultDirectory, { passphrase: await readNewPassphrase(passphraseFile) });
  await vault.close();
  if (flags.json) return printJson({ vault: vaultDirectory });
  console.log(`made the vault ${vaultDirectory}`);
  console.log('Without its passphrase nobody can open it, you neither: keep the passphrase in a safe place.');
}
