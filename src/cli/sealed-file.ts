// The options and questions about files that passkeys travel in: what they are sealed under, and what opens them.

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import { type AgeKey, type AgeLock, lockOf, openAge } from '../backup/age.ts';
import { exitCode, UserError } from '../errors.ts';
import { readNewPassphrase } from './passphrase.ts';
import { askSecrets, readSecretFile, type SecretKind } from './secret.ts';

export interface SealFlags {
  readonly recipient?: readonly string[];
  readonly agePassphraseFile?: string;
}

export interface OpenFlags {
  readonly identity?: string;
  readonly agePassphraseFile?: string;
}

const filePassphrase: SecretKind = { name: 'passphrase of the file', hint: 'give --age-passphrase-file FILE' };

export function sealOptions(command: Command): Command {
  return command
    .option('--recipient <age1…>', 'seal it for this age public key instead of a passphrase; repeatable', collect)
    .option('--age-passphrase-file <file>', 'seal it under the passphrase in the first line of FILE');
}

export function openOptions(command: Command): Command {
  return command
    .option('--identity <file>', 'open it with the age secret keys in FILE (age-keygen)')
    .option('--age-passphrase-file <file>', 'open it with the passphrase in the first line of FILE');
}

function collect(value: string, before: readonly string[] = []): string[] {
  return [...before, value];
}

/** What a new file is to be sealed under: as the flags say, or a passphrase that is asked for twice. @throws UserError */
export async function readLock({ recipient, agePassphraseFile }: SealFlags): Promise<AgeLock> {
  if (recipient && agePassphraseFile !== undefined) {
    throw new UserError('expected recipients or a passphrase, got both', undefined, exitCode.usage);
  }
  if (recipient) return { recipients: recipient };
  return { passphrase: await readNewPassphrase(agePassphraseFile, filePassphrase) };
}

/** Reads a whole file. @throws UserError */
export function readInput(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : (error as Error).message;
    throw new UserError(`cannot read ${path}: ${reason}`, undefined, exitCode.usage);
  }
}

/** What `read` makes of this file. @throws UserError of `read`, with the name of the file */
export function inFile<T>(path: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof UserError) throw new UserError(`${path}: ${error.message}`, error.hint, error.exitCode);
    throw error;
  }
}

/** What an age file holds; asks for its passphrase where the flags do not say. @throws UserError */
export async function openSealed(file: Uint8Array, flags: OpenFlags): Promise<Uint8Array> {
  return openAge(file, lockOf(file) === 'passphrase' ? await askPassphrase(flags) : readIdentities(flags));
}

async function askPassphrase({ agePassphraseFile }: OpenFlags): Promise<AgeKey> {
  if (agePassphraseFile !== undefined) return { passphrase: await readSecretFile(agePassphraseFile, filePassphrase) };
  const [passphrase = ''] = await askSecrets(['Passphrase of the file: '], filePassphrase);
  return { passphrase };
}

function readIdentities({ identity }: OpenFlags): AgeKey {
  if (identity === undefined) {
    throw new UserError(
      'the file is sealed for recipients',
      'give --identity FILE with the secret key',
      exitCode.usage,
    );
  }
  const lines = Buffer.from(readInput(identity)).toString('utf8').split(/\r?\n/);
  return { identities: lines.filter((line) => line.trim() !== '' && !line.startsWith('#')).map((line) => line.trim()) };
}
