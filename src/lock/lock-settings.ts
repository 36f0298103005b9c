// How the vault of a running key is locked and unlocked, from its configuration.

import { readSlots } from '../../store/vault.ts';
import type { Config } from '../config.ts';
import type { TerminalDesk } from '../consent/terminal.ts';
import type { Log } from '../log.ts';
import { opensByItself, openWith, questionFor, unlockOf } from '../unlock/unlock-vault.ts';
import type { LockSettings } from './key-lock.ts';
import { watchScreen } from './screen.ts';

/** @param desk the terminal of the daemon, if it has one. */
export function lockSettings(config: Config, log: Log, desk: TerminalDesk | undefined, isHeld: boolean): LockSettings {
  const { vaultDirectory, keyName, lockAfter, lockOnScreenLock } = config;
  const whose = keyName === undefined ? '' : ` of the key "${keyName}"`;
  return {
    open: (unlock) => openWith(vaultDirectory, unlock),
    openByItself: () => opensByItself(vaultDirectory, config, { notice: (line) => log.info(line) }),
    ...(desk && {
      async askPerson(reason, signal) {
        const slots = await readSlots(vaultDirectory);
        const words = await desk.askWords(`${reason}. ${questionFor(slots)}${whose} (empty to refuse)`, signal);
        return words === undefined ? undefined : unlockOf(words, slots);
      },
    }),
    ...(lockOnScreenLock !== false && {
      watchScreen: (left) =>
        watchScreen(left, (why) => {
          const tell = lockOnScreenLock ? log.warn : log.info;
          tell(`the vault is not locked with the screen: ${why}`);
        }),
    }),
    idleMs: lockAfter === undefined ? undefined : lockAfter * 60_000,
    isHeld,
  };
}
