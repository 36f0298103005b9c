// Where secrets come from: a file, or a prompt that does not show them. Never from an argument or the environment, which
// other programs can read.

import { readFileSync, statSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { exitCode, UserError } from '../errors.ts';
import { askUnseen } from './ask.ts';

/** A kind of secret, in words for people. */
export interface SecretKind {
  /** `passphrase`. */
  readonly name: string;
  /** What to do where nobody can be asked. */
  readonly hint: string;
}

/** The first line of a file, without its line break; of `-`, the next line of standard input. @throws UserError */
export async function readSecretFile(file: string, { name, hint }: SecretKind): Promise<string> {
  if (file === '-') return readNextLine(name);
  const content = readFile(file, name, hint);
  if ((statSync(file).mode & 0o077) !== 0) {
    console.error(`warning: other users may read the ${name} file ${file}; \`chmod 600\` it`);
  }
  const secret = content.split(/\r?\n/, 1)[0] ?? '';
  if (secret === '')
    throw new UserError(`the ${name} file ${file} begins with an empty line`, undefined, exitCode.usage);
  return secret;
}

let lines: Promise<string[]> | undefined;

/** Several secrets may come that way, in the order in which they are needed. */
async function readNextLine(name: string): Promise<string> {
  if (process.stdin.isTTY) {
    throw new UserError(
      'standard input is the terminal',
      `leave "-" out, and you are asked for the ${name}`,
      exitCode.usage,
    );
  }
  lines ??= text(process.stdin).then((all) => all.split(/\r?\n/));
  const line = (await lines).shift() ?? '';
  if (line === '') throw new UserError(`standard input has no line for the ${name}`, undefined, exitCode.usage);
  return line;
}

function readFile(file: string, name: string, hint: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file' : (error as Error).message;
    throw new UserError(`cannot read the ${name} file ${file}: ${reason}`, hint, exitCode.usage);
  }
}

/** The answers to the questions, in turn. @throws UserError without a terminal, on Ctrl-C and Ctrl-D */
export async function askSecrets(questions: readonly string[], { name, hint }: SecretKind): Promise<string[]> {
  if (process.stdin.isTTY) return askUnseen(questions);
  throw new UserError(`no ${name}: standard input is not a terminal`, hint, exitCode.usage);
}
