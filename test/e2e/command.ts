// Runs programs the way a person would, and keeps what they print.

import { type ChildProcess, spawn } from 'node:child_process';
import { text } from 'node:stream/consumers';

export interface Finished {
  /** The exit status; null if a signal ended the program. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CommandOptions {
  /** What the program reads on standard input. */
  readonly input?: string;
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** A program that runs; `finished` never rejects once it has started. */
export interface RunningCommand {
  readonly process: ChildProcess;
  readonly finished: Promise<Finished>;
}

export function start(program: string, args: readonly string[], options: CommandOptions = {}): RunningCommand {
  // In a session of its own, so that a program finds no terminal and reads a PIN from its input.
  const child = spawn(program, args, { cwd: options.cwd, env: options.env ?? process.env, detached: true });
  const ended = new Promise<{ code: number | null; signal: NodeJS.Signals | null }>((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => resolve({ code, signal }));
  });
  const finished = Promise.all([ended, text(child.stdout), text(child.stderr)]).then(([end, stdout, stderr]) => ({
    ...end,
    stdout,
    stderr,
  }));
  // A program may end without having read its input.
  child.stdin.on('error', () => {});
  child.stdin.end(options.input ?? '');
  return { process: child, finished };
}

/** Runs a program to its end and returns what it printed. @throws Error with all output if it failed. */
export function succeed(program: string, args: readonly string[], options?: CommandOptions): Promise<string> {
  return success(start(program, args, options));
}

/** The same for one that runs already. */
export async function success(command: RunningCommand): Promise<string> {
  const finished = await command.finished;
  if (finished.code !== 0) throw endOf(command, finished);
  return finished.stdout;
}

/** How a program ended, with all output. */
export function endOf({ process }: RunningCommand, { code, signal, stdout, stderr }: Finished): Error {
  return new Error(`${process.spawnargs.join(' ')} ended with ${code ?? signal}\n${stdout}${stderr}`);
}
