// A person at a terminal, who types an answer to each question as it is asked.

import { spawn } from 'node:child_process';

/** What a line editor tells the terminal besides text. */
const cursorMoves = new RegExp(`${String.fromCharCode(27)}\\[[0-9;?]*[A-Za-z]`, 'g');

/** How the question ends, and what is typed then. */
export type Reply = readonly [question: string, answer: string];

/**
 * Runs a command line on a terminal of its own (util-linux `script`).
 * @returns what the terminal showed
 * @throws Error if the command fails, or ends before all was asked
 */
export async function typeOnTerminal(
  command: string,
  replies: readonly Reply[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<string> {
  const child = spawn('script', ['-qfec', command, '/dev/null'], options);
  const left = [...replies];
  let shown = '';
  let unanswered = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    const text = chunk.replace(cursorMoves, '');
    shown += text;
    unanswered += text;
    const [next] = left;
    if (!next || !unanswered.endsWith(next[0])) return;
    unanswered = '';
    left.shift();
    child.stdin.write(`${next[1]}\r`);
  });
  const code = await new Promise((resolve) => child.once('close', resolve));
  if (code === 0 && left.length === 0) return shown;
  throw new Error(`${command} ended with ${code}, ${left.length} answers left:\n${shown}`);
}
