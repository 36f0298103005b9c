// The key of a vault that a command opens itself, since no daemon has it open.

import type { Config } from '../config.ts';
import { declineAlways } from '../consent/automatic.ts';
import { LocalOperations } from '../control/local-operations.ts';
import type { KeyOperations } from '../control/operations.ts';
import { createDevice } from '../daemon.ts';
import { keySetupOf } from '../key-setup.ts';
import { LockableVault } from '../lock/lockable-vault.ts';
import { createLog } from '../log.ts';
import { openWith, unlockVault } from '../unlock/unlock-vault.ts';
import { unlockBy, type WayIn } from '../unlock/way-in.ts';
import { requireVault } from './require-vault.ts';

/** @param way what opens the vault; otherwise what is at hand does, or what is asked for. @throws VaultError, UserError */
export async function openLocally(config: Config, way?: WayIn): Promise<KeyOperations> {
  const { vaultDirectory } = config;
  requireVault(vaultDirectory);
  const setup = await keySetupOf(config);
  const opened = way ? openWith(vaultDirectory, unlockBy(way)) : unlockVault(vaultDirectory, config);
  const vault = new LockableVault(vaultDirectory, await opened);
  const log = createLog('warn', (line) => console.error(line));
  return new LocalOperations(vault, createDevice(vault, declineAlways, log, undefined, setup).device);
}
