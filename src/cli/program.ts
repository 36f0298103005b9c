// The command line: commander definitions, one file a noun; each action calls one function. A noun's file, and all that
// its actions need, is loaded when the noun is used: the whole program takes a while.

import { Command, CommanderError } from 'commander';
import { TransportError } from '../../hid/transport-error.ts';
import type { VaultError } from '../../store/vault.ts';
import { exitCode, UserError } from '../errors.ts';
import { version } from '../version.ts';
import { requirePrinted, watchOutput } from './standard-output.ts';

/** Adds options, arguments and an action, or verbs, to a command that has a name and a description. */
type Define = (command: Command) => void;

const nouns: readonly (readonly [name: string, description: string, load: () => Promise<Define>])[] = [
  ['vault', 'make the vault that keeps the credentials', async () => (await import('./vault.ts')).defineVault],
  ['run', 'be a security key until stopped (SIGTERM, Ctrl-C)', async () => (await import('./run.ts')).defineRun],
  [
    'status',
    'say whether a daemon serves the vault, and how',
    async () => (await import('./daemon-commands.ts')).defineStatus,
  ],
  [
    'replug',
    'unplug the virtual key and plug it in again',
    async () => (await import('./daemon-commands.ts')).defineReplug,
  ],
  [
    'consent',
    'steer a daemon that runs with --consent scripted',
    async () => (await import('./daemon-commands.ts')).defineConsent,
  ],
  ['reset', 'erase every credential, for good', async () => (await import('./daemon-commands.ts')).defineReset],
  [
    'lock',
    'lock the vault of the running daemon: no key of it stays in memory',
    async () => (await import('./lock.ts')).defineLock,
  ],
  [
    'unlock',
    'unlock the vault of the running daemon; a request that waits for it goes on',
    async () => (await import('./lock.ts')).defineUnlock,
  ],
  [
    'keys',
    'list the keys of the configuration file, or with --all every security key on this machine',
    async () => (await import('./keys.ts')).defineKeys,
  ],
  ['info', 'show what a key says of itself (authenticatorGetInfo)', async () => (await import('./info.ts')).defineInfo],
  [
    'credentials',
    'list, show, delete and rename what the key holds',
    async () => (await import('./credentials.ts')).defineCredentials,
  ],
  [
    'dump',
    'print every credential and the device state as JSON',
    async () => (await import('./credentials.ts')).defineDump,
  ],
  [
    'backup',
    'write the synced credentials into one encrypted file, which `age -d` opens too',
    async () => (await import('./backup.ts')).defineBackup,
  ],
  [
    'restore',
    'bring the credentials of a backup into the vault: shows what it would do, and asks',
    async () => (await import('./backup.ts')).defineRestore,
  ],
  [
    'export',
    'write synced credentials for another manager; sealed like a backup, unless --plain',
    async () => (await import('./exchange.ts')).defineExport,
  ],
  [
    'import',
    'bring passkeys of another manager into the vault: all of them or none',
    async () => (await import('./exchange.ts')).defineImport,
  ],
  ['pin', 'the PIN of a key: set, change, verify it', async () => (await import('./pin.ts')).definePin],
  [
    'config',
    'how a whole key behaves; it asks for its PIN',
    async () => (await import('./key-config.ts')).defineConfig,
  ],
  [
    'metadata',
    'print the FIDO metadata statement, by which a relying party can let this key in by name',
    async () => (await import('./metadata.ts')).defineMetadata,
  ],
  [
    'demo',
    'try it: a throw-away key that approves everything, and a relying party',
    async () => (await import('./demo.ts')).defineDemo,
  ],
];

/** Runs one command line (without `node` and the script's name). Resolves to the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  watchOutput();
  const program = new Command('passfob')
    .description('a FIDO2 security key in software')
    .version(version)
    .showHelpAfterError('(see --help)')
    // Or an id that begins with -V would be a question for the version.
    .enablePositionalOptions()
    .exitOverride()
    .hook('preSubcommand', async (_, command) => {
      const [, , load] = nouns.find(([name]) => name === command.name()) ?? [];
      (await load?.())?.(command);
    });
  for (const [name, description] of nouns) program.command(name).description(description);
  // `help run` shows what there is of a command by then; `run --help` loads it first.
  const [first, ...others] = args;
  const asksForHelp = first === 'help' && nouns.some(([name]) => name === others[0]);
  try {
    await program.parseAsync(asksForHelp ? [...others, '--help'] : [...args], { from: 'user' });
    await requirePrinted();
    return exitCode.ok;
  } catch (error) {
    return await report(error);
  }
}

/** Two lines for a person; a stack only for our own faults. */
async function report(error: unknown): Promise<number> {
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCode.ok : exitCode.usage;
  if (error instanceof UserError) return tell(error, error.exitCode);
  if (error instanceof TransportError) return tell(error, exitCode.transport);
  const { VaultError } = await import('../../store/vault.ts');
  if (error instanceof VaultError) return tell(error, exitCode.vault);
  console.error('this is a bug in passfob, please report it:');
  console.error(error);
  return exitCode.failure;
}

function tell({ message, hint }: UserError | VaultError | TransportError, code: number): number {
  console.error(`error: ${message}`);
  if (hint) console.error(`hint: ${hint}`);
  return code;
}
