// What is said to a running daemon: status, replug, consent, reset.

import type { Command } from 'commander';
import { loadConfig, type Settings } from '../config.ts';
import { controlSocketPath } from '../control/address.ts';
import { ControlClient } from '../control/client.ts';
import { type ScriptedMode, scriptedModes } from '../control/protocol.ts';
import { exitCode, UserError } from '../errors.ts';
import { confirm, runningDaemon, vaultOptions, withKey } from './key-session.ts';
import { printFields, printJson } from './output.ts';

export function defineStatus(command: Command): void {
  vaultOptions(command).option('--json', 'print JSON').action(status);
}

export function defineReplug(command: Command): void {
  vaultOptions(command).action(replug);
}

export function defineConsent(command: Command): void {
  vaultOptions(command).argument('<mode>', scriptedModes.join(', ')).action(consent);
}

export function defineReset(command: Command): void {
  vaultOptions(command).option('--yes', 'do not ask').action(reset);
}

async function status(flags: Settings & { json?: boolean }): Promise<void> {
  const { vaultDirectory } = loadConfig(flags);
  const found = await new ControlClient(controlSocketPath(vaultDirectory)).status();
  if (!found) {
    const { vaultExists } = await import('../../store/vault.ts');
    const exists = vaultExists(vaultDirectory);
    if (flags.json) return printJson({ running: false, vault: vaultDirectory, exists });
    return console.log(`no daemon serves the vault ${vaultDirectory}${exists ? '' : ', which is not there'}`);
  }
  if (flags.json) return printJson(found);
  printFields([
    ['process', `${found.pid}, since ${found.startedAt}`],
    ['version', found.version],
    ['vault', found.vault],
    found.locked
      ? ['locked', 'yes; `passfob unlock` opens the vault']
      : [
          'credentials',
          String(found.credentials ?? 'cannot be read; `passfob lock` and `passfob unlock` open them anew'),
        ],
    ['transports', found.transports.join(', ')],
    ['consent', found.consent],
  ]);
}

async function replug(flags: Settings): Promise<void> {
  await (await runningDaemon(flags)).replug();
}

async function consent(mode: string, flags: Settings): Promise<void> {
  const known = scriptedModes.find((candidate): candidate is ScriptedMode => candidate === mode);
  if (!known) {
    throw new UserError(`unknown mode "${mode}"`, `one of: ${scriptedModes.join(', ')}`, exitCode.usage);
  }
  await (await runningDaemon(flags)).setConsent(known);
}

async function reset(flags: Settings & { yes?: boolean }): Promise<void> {
  await withKey(flags, async (key, { vaultDirectory }) => {
    await confirm(
      `Erase every credential in ${vaultDirectory}, also those that websites keep for this key?`,
      flags.yes,
    );
    await key.reset();
    console.log('the key is as new');
  });
}
