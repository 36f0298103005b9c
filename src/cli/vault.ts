// passfob vault init, and the other commands about the vault itself.

import type { Command } from 'commander';
import type { CredentialKind } from '../../ctap/env.ts';
import { createVault, newRecoveryPhrase, vaultExists } from '../../store/vault.ts';
import { credentialKindOf, loadConfig, type Settings } from '../config.ts';
import { exitCode, UserError } from '../errors.ts';
import { keepPublicState } from '../lock/public-state.ts';
import { readKeyFile } from '../unlock/key-file.ts';
import { vaultOptions } from './key-session.ts';
import { printJson } from './output.ts';
import { readNewPassphrase } from './passphrase.ts';
import { addVaultCheck } from './vault-check.ts';
import { addRekeyCommand } from './vault-rekey.ts';
import { addRecoveryPhrase, addSlotCommands, requireSeen } from './vault-slots.ts';

export function defineVault(noun: Command): void {
  vaultOptions(noun.command('init').description('make a new vault under a new passphrase'))
    .option(
      '--credentials <kind>',
      'what sites are told of new credentials: device-bound or synced (default: device-bound)',
    )
    .option('--recovery-phrase', 'also make a recovery phrase, and print it')
    .option('--json', 'print JSON')
    .action(init);
  addVaultCheck(noun);
  addSlotCommands(noun);
  addRekeyCommand(noun);
}

/** Said when the vault is made: it decides what relying parties believe for as long as a credential lives. */
const meaning: Readonly<Record<CredentialKind, string>> = {
  'device-bound':
    'Its credentials are device-bound: sites learn that they exist once, here, see a counter that a copy would betray, and no backup has them.',
  synced:
    'Its credentials are synced: sites learn that copies may exist, see no counter, and `passfob backup` keeps them.',
};

async function init(
  flags: Settings & { credentials?: string; recoveryPhrase?: boolean; json?: boolean },
): Promise<void> {
  const credentialKind = credentialKindOf(flags.credentials) ?? 'device-bound';
  const { vaultDirectory, passphraseFile, keyFile: keyPath } = loadConfig(flags);
  if (vaultExists(vaultDirectory)) {
    throw new UserError(
      `${vaultDirectory} is a vault already`,
      'use it with `passfob run`, or name another place with --vault',
      exitCode.vault,
    );
  }
  const keyFile = keyPath === undefined ? undefined : contentOf(keyPath);
  const passphrase = await readNewPassphrase(passphraseFile);
  const vault = await createVault(vaultDirectory, { passphrase }, { credentialKind });
  keepPublicState(vault);
  try {
    if (keyFile) await vault.addSlot({ keyFile });
    if (flags.json) {
      const recoveryPhrase = flags.recoveryPhrase ? await newRecoveryPhrase() : undefined;
      const slot = recoveryPhrase ? await vault.addSlot({ recoveryPhrase }) : undefined;
      printJson({ vault: vaultDirectory, credentialKind, ...(recoveryPhrase && { recoveryPhrase }) });
      if (slot) await requireSeen(slot);
      return;
    }
    console.log(`made the vault ${vaultDirectory}`);
    console.log(meaning[credentialKind]);
    if (keyPath !== undefined) console.log(`The key file ${keyPath} opens it, as its passphrase does.`);
    if (flags.recoveryPhrase) return await addRecoveryPhrase(vault, {});
    const ways = keyFile ? 'its passphrase or the key file' : 'its passphrase';
    console.log(`Without ${ways} nobody can open it, you neither: keep the passphrase in a safe place,`);
    console.log('or make 24 words for paper, which open it, too: `passfob vault slots add recovery-phrase`');
  } finally {
    await vault.close();
  }
}

/** A new vault is to open with it, so it must be there now. @throws UserError */
function contentOf(keyFile: string): Uint8Array {
  const content = readKeyFile(keyFile);
  if (content) return content;
  throw new UserError(
    `there is no key file ${keyFile}`,
    'name one that is there, or leave it out and make one later: `passfob vault slots add key-file FILE`',
    exitCode.usage,
  );
}
