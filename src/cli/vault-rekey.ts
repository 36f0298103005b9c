// passfob vault rekey: a new root key, every record sealed anew.

import type { Command } from 'commander';
import { loadConfig, type Settings } from '../config.ts';
import { unlockVault } from '../unlock/unlock-vault.ts';
import { vaultOptions } from './key-session.ts';
import { printJson } from './output.ts';
import { progressBar } from './progress-bar.ts';
import { requireVault } from './require-vault.ts';

export function addRekeyCommand(vault: Command): void {
  vaultOptions(vault.command('rekey').description('renew the root key and seal every record anew'))
    .option('--drop-damaged', 'forget records that are damaged; they keep the old key in use otherwise')
    .option('--json', 'print JSON')
    .action(rekey);
}

async function rekey(flags: Settings & { dropDamaged?: boolean; json?: boolean }): Promise<void> {
  const config = loadConfig(flags);
  requireVault(config.vaultDirectory);
  const vault = await unlockVault(config.vaultDirectory, config);
  const bar = progressBar(process.stderr);
  try {
    const report = await vault.rekey({
      onProgress: (moved, total) => bar.show(moved, total),
      dropDamaged: flags.dropDamaged ?? false,
    });
    bar.clear();
    if (flags.json) return printJson({ ...report, credentials: vault.credentialCount() });
    console.log(`the vault has a new key; all ways to open it stay, and every record is sealed anew`);
    if (report.dropped > 0) console.log(`${report.dropped} damaged records are gone`);
    if (report.resumed) {
      console.log('This went on with a rekeying that was cut short; run it once more for a key of today.');
    }
  } finally {
    bar.clear();
    await vault.close();
  }
}
