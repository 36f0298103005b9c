// The command line: commander definitions, one file a noun; each action calls one function.

import { readFileSync } from 'node:fs';
import { Command } from 'commander';

/** Runs one command line (without `node` and the script's name). Resolves to the exit code. */
export async function main(args: readonly string[]): Promise<number> {
  const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as {
    version: string;
  };
  await new Command('passfob').version(version).parseAsync([...args], { from: 'user' });
  return 0;
}
