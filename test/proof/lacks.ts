// Proofs that need a program of Debian skip where it is not installed, and say so.

import { spawnSync } from 'node:child_process';

/** Where Debian has what is for administrators as well. */
export const withSbin = { ...process.env, PATH: `${process.env['PATH']}:/sbin:/usr/sbin` };

/** Whether this machine lacks one of these programs; prints which. */
export function lacks(...programs: readonly string[]): boolean {
  const isThere = (name: string) => spawnSync('sh', ['-c', `command -v ${name}`], { env: withSbin }).status === 0;
  const missing = programs.filter((name) => !isThere(name));
  if (missing.length > 0) console.log(`skips what needs ${programs.join(', ')}: no ${missing.join(', ')} here`);
  return missing.length > 0;
}
