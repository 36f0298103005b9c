// Where a daemon's control socket is: one per vault, so that every command finds the daemon of the vault it names.

import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { runtimeDirectory } from '../config.ts';

/** Short, since a Unix socket's path has 107 bytes at the most. */
export function controlSocketPath(vaultDirectory: string): string {
  return join(runtimeDirectory(), `control-${vaultTag(vaultDirectory)}.sock`);
}

/** Eight hexadecimal digits that stand for a vault's place; the same through any link that leads there. */
export function vaultTag(vaultDirectory: string): string {
  return createHash('sha256').update(realPath(vaultDirectory)).digest('hex').slice(0, 8);
}

function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
