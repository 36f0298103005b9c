// passfob lock and unlock: closes the vault of a running daemon, and opens it again.

import type { Command } from 'commander';
import { loadConfig, type Settings } from '../config.ts';
import { runningDaemon, vaultOptions } from './key-session.ts';

export function defineLock(command: Command): void {
  vaultOptions(command).action(lock);
}

export function defineUnlock(command: Command): void {
  vaultOptions(command).action(unlock);
}

async function lock(flags: Settings): Promise<void> {
  await (await runningDaemon(flags)).lock();
  console.log('the vault is locked');
}

async function unlock(flags: Settings): Promise<void> {
  const daemon = await runningDaemon(flags);
  const status = await daemon.status();
  if (status?.locked) {
    const { askWayIn } = await import('../unlock/way-in.ts');
    const config = loadConfig(flags);
    const isNamed = config.keyFile !== undefined || config.passphraseFile !== undefined;
    // What needs nobody, the daemon finds by itself.
    if (isNamed || !(await daemon.unlock())) await daemon.unlock(await askWayIn(config.vaultDirectory, config));
  }
  console.log('the vault is unlocked');
}
