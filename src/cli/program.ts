// The command line: commander definitions, one file a noun; each action calls one function.

import { Command, CommanderError } from 'commander';
import { TransportError } from '../../hid/transport-error.ts';
import { VaultError } from '../../store/vault.ts';
import { exitCode, UserError } from '../errors.ts';
import { version } from '../version.ts';
import { addBackupCommands } from './backup.ts';
import { addCredentialCommands } from './credentials.ts';
import { addDaemonCommands } from './daemon-commands.ts';
import { addDemoCommand } from './demo.ts';
import { addExchangeCommands } from './exchange.ts';
import { addInfoCommand } from './info.ts';
import { addConfigCommands } from './key-config.ts';
import { addKeysCommand } from './keys.ts';
import { addLockCommands } from './lock.ts';
import { addMetadataCommand } from './metadata.ts';
import { addPinCommands } from './pin.ts';
import { addRunCommand } from './run.ts';
import { requirePrinted, watchOutput } from './standard-output.ts';
import { addVaultCommands } from './vault.ts';

/** Runs one command line (without `node` and the script's name). Resolves to the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  watchOutput();
  const program = new Command('passfob')
    .description('a FIDO2 security key in software')
    .version(version)
    .showHelpAfterError('(see --help)')
    // Or an id that begins with -V would be a question for the version.
    .enablePositionalOptions()
    .exitOverride();
  addVaultCommands(program);
  addRunCommand(program);
  addDaemonCommands(program);
  addLockCommands(program);
  addKeysCommand(program);
  addInfoCommand(program);
  addCredentialCommands(program);
  addBackupCommands(program);
  addExchangeCommands(program);
  addPinCommands(program);
  addConfigCommands(program);
  addMetadataCommand(program);
  addDemoCommand(program);
  try {
    await program.parseAsync([...args], { from: 'user' });
    await requirePrinted();
    return exitCode.ok;
  } catch (error) {
    return report(error);
  }
}

/** Two lines for a person; a stack only for our own faults. */
function report(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
  if (error instanceof UserError || error instanceof VaultError || error instanceof TransportError) {
    console.error(`error: ${error.message}`);
    if (error.hint) console.error(`hint: ${error.hint}`);
    return codeOf(error);
  }
  console.error('this is a bug in passfob, please report it:');
  console.error(error);
  return exitCode.failure;
}

function codeOf(error: UserError | VaultError | TransportError): number {
  if (error instanceof UserError) return error.exitCode;
  return error instanceof VaultError ? exitCode.vault : exitCode.transport;
}
