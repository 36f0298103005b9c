// Where the vault's passphrase comes from: a file, or a prompt that does not show it. Never from an argument or the
// environment, which other programs can read.

import { readFileSync, statSync } from 'node:fs';
import { exitCode, UserError } from '../errors.ts';
import { askUnseen } from './ask.ts';

const noTerminalHint = 'give --passphrase-file FILE or set PASSFOB_PASSPHRASE_FILE';

/** The vault's passphrase from `file`, or asked for on the terminal. @throws UserError */
export async function readPassphrase(file: string | undefined, question = 'Passphrase: '): Promise<string> {
  if (file !== undefined) return readPassphraseFile(file);
  const [passphrase = ''] = await prompt(question);
  return passphrase;
}

/** A new passphrase: from `file`, or asked for twice. @throws UserError */
export async function readNewPassphrase(file: string | undefined): Promise<string> {
  if (file !== undefined) return readPassphraseFile(file);
  const [passphrase = '', again] = await prompt('New passphrase: ', 'Once more: ');
  if (passphrase === '') throw new UserError('the passphrase is empty', 'choose one that you can remember');
  if (passphrase !== again) {
    throw new UserError('the two passphrases differ', 'nothing was made; try again');
  }
  return passphrase;
}

/** The first line of a file, without its line break. */
function readPassphraseFile(file: string): string {
  const text = readFile(file);
  if ((statSync(file).mode & 0o077) !== 0) {
    console.error(`warning: other users may read the passphrase file ${file}; \`chmod 600\` it`);
  }
  const passphrase = text.split(/\r?\n/, 1)[0] ?? '';
  if (passphrase === '') {
    throw new UserError(`the passphrase file ${file} begins with an empty line`, undefined, exitCode.usage);
  }
  return passphrase;
}

function readFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : (error as Error).message;
    throw new UserError(`cannot read the passphrase file ${file}: ${reason}`, noTerminalHint, exitCode.usage);
  }
}

async function prompt(...questions: readonly string[]): Promise<string[]> {
  if (process.stdin.isTTY) return askUnseen(questions);
  throw new UserError('no passphrase: standard input is not a terminal', noTerminalHint, exitCode.usage);
}
