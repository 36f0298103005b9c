// Questions on the terminal that are answered with a line, shown or unseen.

import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { exitCode, UserError } from '../errors.ts';

/** The person's terminal; the answers of programs go to standard output, so questions do not. */
export interface AskingTerminal {
  readonly input: NodeJS.ReadableStream;
  readonly output: NodeJS.WritableStream & { readonly isTTY?: boolean };
}

const here: AskingTerminal = { input: process.stdin, output: process.stderr };

/** Asks one question, whose answer is seen while it is typed. @throws UserError on Ctrl-C and Ctrl-D */
export async function askLine(question: string, { input, output }: AskingTerminal = here): Promise<string> {
  const lines = createInterface({ input, output });
  lines.setPrompt(question);
  try {
    lines.prompt();
    return await nextLine(lines[Symbol.asyncIterator]());
  } catch (error) {
    output.write('\n'); // nobody pressed Enter
    throw error;
  } finally {
    lines.close();
  }
}

/**
 * Asks the questions in turn; what is typed is not shown. One reader for all of them, so that nothing is lost or shown
 * of what is typed, or pasted, ahead.
 * @throws UserError on Ctrl-C and Ctrl-D
 */
export async function askUnseen(
  questions: readonly string[],
  { input, output }: AskingTerminal = here,
): Promise<string[]> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  // Before the question is shown, since the terminal shows what is typed until then.
  const lines = createInterface({ input, output: silent, terminal: true });
  const answers = lines[Symbol.asyncIterator]();
  const given: string[] = [];
  try {
    for (const question of questions) {
      output.write(question);
      given.push(await nextLine(answers).finally(() => output.write('\n')));
    }
    return given;
  } finally {
    lines.close();
  }
}

/** readline ends the lines on Ctrl-C and Ctrl-D. */
async function nextLine(lines: AsyncIterator<string>): Promise<string> {
  const { value, done } = await lines.next();
  if (done) throw new UserError('nothing was entered, and nothing was done', undefined, exitCode.declined);
  return value;
}
