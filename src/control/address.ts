// Where a daemon's control socket is: one per vault, so that every command finds the daemon of the vault it names.

import { createHash } from 'node:crypto';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { maxSocketPathBytes } from '../../hid/transports/unix-socket.ts';
import { runtimeDirectory } from '../config.ts';
import { exitCode, UserError } from '../errors.ts';

/** @throws UserError if no socket can have this path: cut short, it would be that of another vault. */
export function controlSocketPath(vaultDirectory: string): string {
  const path = join(runtimeDirectory(), `control-${vaultTag(vaultDirectory)}.sock`);
  if (Buffer.byteLength(path) <= maxSocketPathBytes) return path;
  throw new UserError(
    `expected the path of a socket of at most ${maxSocketPathBytes} bytes, got ${path}`,
    'set XDG_RUNTIME_DIR to a folder with a shorter name',
    exitCode.usage,
  );
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
