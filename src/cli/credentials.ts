// passfob credentials show | delete | rename, and passfob dump.

import { writeFileSync } from 'node:fs';
import type { Command } from 'commander';
import { algorithmName } from '../../ctap/cose.ts';
import { requireFolder } from '../backup/private-file.ts';
import type { Settings } from '../config.ts';
import { exitCode, UserError } from '../errors.ts';
import { oneLine } from '../log.ts';
import { addListCommand } from './credentials-list.ts';
import { confirm, vaultOptions, withKey, withWayIn } from './key-session.ts';
import { formatDate, formatJson, printFields, printJson } from './output.ts';

interface JsonFlag extends Settings {
  readonly json?: boolean;
}

const idHelp = 'a credential id (base64url) or the beginning of one';

export function defineCredentials(noun: Command): void {
  addListCommand(noun);
  byId(noun, 'show', 'show everything about one credential but its private key')
    .option('--json', 'print JSON')
    .action(show);
  byId(noun, 'delete', 'delete one credential for good')
    .option('--yes', 'do not ask; takes the whole id')
    .option('--json', 'print JSON')
    .action(remove);
  byId(noun, 'rename', 'change the names that sign-in prompts show')
    .option('--name <name>', 'the new user name; empty removes it')
    .option('--display-name <name>', 'the new display name; empty removes it')
    .option('--json', 'print JSON')
    .action(rename);
}

export function defineDump(command: Command): void {
  vaultOptions(command)
    .option('--secrets', 'with private keys; asks for what opens the vault')
    .option('--json', 'print JSON, as it always does')
    .option('--output <file>', 'write to a new file that only you can read, instead of the screen')
    .action(dump);
}

/** An id may begin with one dash or two, which commander would take for an option. */
function byId(noun: Command, verb: string, description: string): Command {
  return vaultOptions(noun.command(verb).description(description))
    .argument('<id>', idHelp)
    .allowUnknownOption()
    .hook('preAction', (_, command) => refuseOption(command.args[0] ?? ''));
}

/** No option has a capital letter, a digit or an underscore, and hardly an id has none. */
export function refuseOption(word: string): void {
  if (/^--[a-z-]*$/.test(word)) throw new UserError(`unknown option "${word}"`, 'see --help', exitCode.usage);
}

async function show(id: string, flags: JsonFlag): Promise<void> {
  const credential = await withKey(flags, (key) => key.show(id));
  if (flags.json) return printJson(credential);
  printFields([
    ['id', credential.id],
    ['website', credential.rpId + (credential.rpName ? ` (${credential.rpName})` : '')],
    ['user name', credential.userName ?? ''],
    ['display name', credential.userDisplayName ?? ''],
    ['user handle', credential.userHandle],
    ['created', formatDate(credential.createdAt)],
    ['algorithm', algorithmName(credential.algorithm)],
    ['public key', JSON.stringify(credential.publicKey)],
  ]);
}

async function remove(id: string, flags: JsonFlag & { yes?: boolean }): Promise<void> {
  await withKey(flags, async (key) => {
    const { id: whole, rpId, userName } = await key.show(id);
    if (flags.yes && id !== whole) throw notWhole(id);
    const name = oneLine(`${rpId}${userName ? ` (${userName})` : ''}`);
    await confirm(`Delete the credential of ${name}? It cannot be brought back.`, flags.yes);
    const deleted = await key.delete(whole);
    if (flags.json) printJson(deleted);
    else console.log(`deleted the credential of ${name}`);
  });
}

/** A beginning may fit another credential than the one that was meant, and nobody is asked. */
function notWhole(id: string): UserError {
  return new UserError(
    `with --yes the whole id is wanted, "${id}" is the beginning of one`,
    '`passfob credentials list --json` has whole ids; without --yes you see what you delete',
    exitCode.usage,
  );
}

async function rename(id: string, flags: JsonFlag & { name?: string; displayName?: string }): Promise<void> {
  const { name, displayName } = flags;
  if (name === undefined && displayName === undefined) {
    throw new UserError('no new name was given', 'use --name, --display-name or both', exitCode.usage);
  }
  const renamed = await withKey(flags, (key) =>
    key.rename(id, {
      ...(name !== undefined && { userName: name }),
      ...(displayName !== undefined && { userDisplayName: displayName }),
    }),
  );
  if (flags.json) printJson(renamed);
  else console.log(`renamed the credential of ${oneLine(`${renamed.rpId} to ${renamed.userName ?? '(no name)'}`)}`);
}

async function dump(flags: Settings & { secrets?: boolean; output?: string }): Promise<void> {
  if (flags.output !== undefined) requireFolder(flags.output);
  const content = flags.secrets
    ? await withWayIn(flags, (key, way) => key.dump(way))
    : await withKey(flags, (key) => key.dump());
  const text = formatJson(content);
  if (flags.output === undefined || flags.output === '-') return console.log(text);
  writeNewFile(flags.output, `${text}\n`);
}

function writeNewFile(path: string, text: string): void {
  try {
    writeFileSync(path, text, { mode: 0o600, flag: 'wx' });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== 'EEXIST') throw new UserError(`cannot write ${path}: ${message}`);
    throw new UserError(`cannot write ${path}: it exists already`, 'name a file that is not there yet');
  }
}
