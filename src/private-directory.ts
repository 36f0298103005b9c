// Folders that only this user may look into: where sockets and throw-away vaults live.

import { chmodSync, lstatSync, mkdirSync, type Stats, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { exitCode, UserError } from './errors.ts';

/**
 * Makes `path` in a folder that is there, and sees to it that nobody else can enter: mode 0700, owned by this user, not a
 * link. In a shared place such as /tmp somebody else may have made the name first.
 * @throws UserError
 */
export function ensurePrivateDirectory(path: string): void {
  const base = dirname(path);
  if (!look(base, statSync)?.isDirectory()) throw new UserError(`there is no folder ${base}`, hint, exitCode.usage);
  try {
    mkdirSync(path, { mode: 0o700 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') {
      throw new UserError(`cannot make the folder ${path}: ${(error as Error).message}`, hint, exitCode.usage);
    }
  }
  if ((ownMode(path) ?? 0) & 0o077) chmodSync(path, 0o700);
}

/**
 * Whether `path` is there and may be believed: what a socket in it says, and what is told to that socket, stays with
 * this user.
 * @throws UserError if others can put something into it
 */
export function isPrivateDirectory(path: string): boolean {
  const mode = ownMode(path);
  if (mode === undefined) return false;
  if (mode & 0o022) throw new UserError(`other users may write to ${path}`, `\`chmod 700\` it`, exitCode.usage);
  return true;
}

const hint = 'set XDG_RUNTIME_DIR to a folder of your own, or remove it';

/** The mode of a folder of this user's; undefined if it is not there. @throws UserError if it is something else */
function ownMode(path: string): number | undefined {
  const found = look(path, lstatSync);
  if (found === undefined) return undefined;
  const uid = process.getuid?.();
  if (!found.isDirectory() || (uid !== undefined && found.uid !== uid)) {
    throw new UserError(`${path} is not a folder of this user`, hint, exitCode.usage);
  }
  return found.mode;
}

/** Undefined if it is not there. @throws UserError if that cannot be seen, as under a file or in another user's folder */
function look(path: string, stat: typeof statSync | typeof lstatSync): Stats | undefined {
  try {
    return stat(path, { throwIfNoEntry: false });
  } catch (error) {
    throw new UserError(`cannot look for the folder ${path}: ${(error as Error).message}`, hint, exitCode.usage);
  }
}
