// What is said to a running daemon: status, replug, consent, reset.

import type { Command } from 'commander';
import { vaultExists } from '../../store/vault.ts';
import { loadConfig, type Settings } from '../config.ts';
import { controlSocketPath } from '../control/address.ts';
import { ControlClient } from '../control/client.ts';
import { type ScriptedMode, scriptedModes } from '../control/protocol.ts';
import { exitCode, UserError } from '../errors.ts';
import { confirm, runningDaemon, vaultOptions, withKey } from './key-session.ts';
import { printFields, printJson } from './output.ts';

export function addDaemonCommands(program: Command): void {
  vaultOptions(program.command('status').description('say whether a daemon serves the vault, and how'))
    .option('--json', 'print JSON')
    .action(status);
  vaultOptions(program.command('replug').description('unplug the virtual key and plug it in again')).action(replug);
  vaultOptions(program.command('consent').description('steer a daemon that runs with --consent scripted'))
    .argument('<mode>', scriptedModes.join(', '))
    .action(consent);
  vaultOptions(program.command('reset').description('erase every credential, for good'))
    .option('--yes', 'do not ask')
    .action(reset);
}

async function status(flags: Settings & { json?: boolean }): Promise<void> {
  const { vaultDirectory } = loadConfig(flags);
  const found = await new ControlClient(controlSocketPath(vaultDirectory)).status();
  if (flags.json)
    return printJson(found ?? { running: false, vault: vaultDirectory, exists: vaultExists(vaultDirectory) });
  if (!found) {
    console.log(
      `no daemon serves the vault ${vaultDirectory}${vaultExists(vaultDirectory) ? '' : ', which is not there'}`,
    );
    return;
  }
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
