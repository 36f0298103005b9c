// passfob lock and unlock: closes the vault of a running daemon, and opens it again.

import { resolve } from 'node:path';
import type { Command } from 'commander';
import { readSlots } from '../../store/vault.ts';
import { loadConfig, type Settings } from '../config.ts';
import type { UnlockRequest } from '../control/protocol.ts';
import { questionFor, unlockOf } from '../unlock/unlock-vault.ts';
import { runningDaemon, vaultOptions } from './key-session.ts';
import { readPassphrase } from './passphrase.ts';

export function addLockCommands(program: Command): void {
  vaultOptions(
    program.command('lock').description('lock the vault of the running daemon: no key of it stays in memory'),
  ).action(lock);
  vaultOptions(
    program
      .command('unlock')
      .description('unlock the vault of the running daemon; a request that waits for it goes on'),
  ).action(unlock);
}

async function lock(flags: Settings): Promise<void> {
  await (await runningDaemon(flags)).lock();
  console.log('the vault is locked');
}

async function unlock(flags: Settings): Promise<void> {
  const daemon = await runningDaemon(flags);
  const status = await daemon.status();
  if (status?.locked) {
    const { vaultDirectory, keyFile, passphraseFile } = loadConfig(flags);
    if (keyFile !== undefined) await daemon.unlock({ keyFile: resolve(keyFile) });
    // What needs nobody, the daemon finds by itself.
    else if (passphraseFile !== undefined || !(await daemon.unlock({}))) {
      await daemon.unlock(await askPerson(vaultDirectory, passphraseFile));
    }
  }
  console.log('the vault is unlocked');
}

async function askPerson(vaultDirectory: string, passphraseFile: string | undefined): Promise<UnlockRequest> {
  const slots = await readSlots(vaultDirectory);
  const words = await readPassphrase(passphraseFile, `${questionFor(slots)}: `);
  const unlock = unlockOf(words, slots);
  return 'recoveryPhrase' in unlock ? unlock : { passphrase: words };
}
