// The programs under measurement, as child processes: the daemon on a real vault, and the echo.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const passfob = fileURLToPath(new URL('../bin/passfob.js', import.meta.url));
const echo = fileURLToPath(new URL('./echo.js', import.meta.url));

export interface Running {
  readonly child: ChildProcess;
  /** Milliseconds from the start to the line that says `ready`. */
  readonly readyAfterMs: number;
  stop(): Promise<void>;
}

export function runPassfob(...args: string[]): void {
  execFileSync(process.execPath, [passfob, ...args], { stdio: ['ignore', 'ignore', 'inherit'] });
}

/** With PASSFOB_BENCH_PROFILE, a folder, the program writes its profile there (see profile.ts). */
export function startPassfob(...args: string[]): Promise<Running> {
  const folder = process.env['PASSFOB_BENCH_PROFILE'];
  return start([...(folder ? ['--cpu-prof', '--cpu-prof-dir', folder] : []), passfob, ...args]);
}

/** See echo.ts. */
export function startEcho(path: string, requestReports: number, answerReports: number): Promise<Running> {
  return start([echo, path, String(requestReports), String(answerReports)]);
}

/**
 * Resident memory in bytes: all of it, or only the program's own, without pages of files, which the kernel keeps for any
 * program and takes back when it likes. Linux only; undefined elsewhere.
 */
export function residentBytes({ child }: Running, kind: 'VmRSS' | 'RssAnon' = 'VmRSS'): number | undefined {
  try {
    const line = new RegExp(`${kind}:\\s+(\\d+) kB`).exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'));
    return line ? Number(line[1]) * 1024 : undefined;
  } catch {
    return undefined;
  }
}

async function start(args: readonly string[]): Promise<Running> {
  const before = performance.now();
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: child.stdout }).on('line', (line) => line.startsWith('ready') && resolve());
    void ended.then(() => reject(new Error(`${args[0]} ended before it was ready`)));
  });
  return {
    child,
    readyAfterMs: performance.now() - before,
    async stop() {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
