// A terminal for programs that insist on one: script(1) makes it, we type.

import { spawn } from 'node:child_process';
import type { Finished } from './command.ts';

/** Runs a shell command on a terminal, and types `answer` and Enter each time it has printed `question`. */
export function onTerminal(command: string, question: RegExp, answer: string): Promise<Finished> {
  const child = spawn('script', ['--quiet', '--return', '--command', command, '/dev/null']);
  let stdout = '';
  let answered = 0;
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
    const rest = stdout.slice(answered);
    const asked = question.exec(rest);
    if (!asked) return;
    answered += asked.index + asked[0].length;
    child.stdin.write(`${answer}\n`);
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal, stdout, stderr: '' }));
  });
}
