// A command's way to the key it names: through the daemon that serves the vault, or by opening the vault itself.

import type { Command } from 'commander';
import { type Config, loadConfig, type Settings } from '../config.ts';
import { controlSocketPath } from '../control/address.ts';
import { ControlClient } from '../control/client.ts';
import type { KeyOperations } from '../control/operations.ts';
import { exitCode, UserError } from '../errors.ts';
import type { WayIn } from '../unlock/way-in.ts';
import { askLine } from './ask.ts';

/** The options that say which vault, for every command that works on one key. */
export function vaultOptions(command: Command): Command {
  return placeOptions(command.option('--key <name>', 'a key of the configuration file, with its vault and settings'));
}

/** The same for the command that runs several keys at once. */
export function vaultsOptions(command: Command): Command {
  return placeOptions(command)
    .option('--key <name...>', 'a key of the configuration file, with its vault and settings; repeatable')
    .option('--all-keys', 'every key of the configuration file');
}

function placeOptions(command: Command): Command {
  return command
    .option('--vault <dir>', 'the vault (PASSFOB_VAULT; otherwise $XDG_DATA_HOME/passfob/vault)')
    .option(
      '--passphrase-file <file>',
      'read the passphrase from the first line of FILE, or of - (PASSFOB_PASSPHRASE_FILE)',
    )
    .option('--key-file <file>', 'open the vault with the key in FILE (PASSFOB_KEY_FILE)');
}

/** Runs `use` on the key, and closes what was opened for it. */
export async function withKey<T>(flags: Settings, use: (key: KeyOperations, config: Config) => Promise<T>): Promise<T> {
  const config = loadConfig(flags);
  const key = (await openDaemon(config)) ?? (await openLocally(config));
  try {
    return await use(key, config);
  } finally {
    await key.close();
  }
}

/** The same for what gives out private keys: with a way into the vault, which is asked for once. */
export async function withWayIn<T>(flags: Settings, use: (key: KeyOperations, way: WayIn) => Promise<T>): Promise<T> {
  const config = loadConfig(flags);
  const { vaultDirectory } = config;
  const daemon = await openDaemon(config);
  if (!daemon) (await import('./require-vault.ts')).requireVault(vaultDirectory);
  const { askWayIn } = await import('../unlock/way-in.ts');
  const way = await askWayIn(vaultDirectory, config);
  const key = daemon ?? (await openLocally(config, way));
  try {
    return await use(key, way);
  } finally {
    await key.close();
  }
}

/**
 * The daemon that serves the vault, if it has it open. One that is locked stays so: who types the passphrase for one
 * command does not give the key to every program.
 */
async function openDaemon({ vaultDirectory }: Config): Promise<ControlClient | undefined> {
  const daemon = new ControlClient(controlSocketPath(vaultDirectory));
  const status = await daemon.status();
  return status && !status.locked ? daemon : undefined;
}

/** Loaded only here: with a daemon, a command needs neither a database nor cryptography of its own. */
async function openLocally(config: Config, way?: WayIn): Promise<KeyOperations> {
  return (await import('./local-key.ts')).openLocally(config, way);
}

/** The daemon that serves the configured vault. @throws UserError where none runs. */
export async function runningDaemon(flags: Settings): Promise<ControlClient> {
  const { vaultDirectory } = loadConfig(flags);
  const daemon = new ControlClient(controlSocketPath(vaultDirectory));
  if (await daemon.status()) return daemon;
  throw new UserError(`no daemon serves the vault ${vaultDirectory}`, 'start one with `passfob run`', exitCode.daemon);
}

/** Goes on after a yes on the terminal, or with `--yes`. @throws UserError otherwise. */
export async function confirm(question: string, yes: boolean | undefined): Promise<void> {
  if (yes) return;
  if (!process.stdin.isTTY) {
    throw new UserError('this needs a yes, and standard input is no terminal', 'add --yes', exitCode.usage);
  }
  const answer = await askLine(`${question} [y/N] `);
  if (!/^y(es)?$/i.test(answer.trim())) throw new UserError('nothing was changed', undefined, exitCode.declined);
}
