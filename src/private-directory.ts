// Folders that only this user may look into: where sockets and throw-away vaults live.

import { chmodSync, lstatSync, mkdirSync } from 'node:fs';
import { exitCode, UserError } from './errors.ts';

/**
 * Makes `path` (and what leads to it) if it is missing, and sees to it that nobody else can enter: mode 0700, owned by
 * this user, not a link. In a shared place such as /tmp somebody else may have made the name first.
 * @throws UserError
 */
export function ensurePrivateDirectory(path: string): void {
  mkdirSync(path, { recursive: true, mode: 0o700 });
  const found = lstatSync(path);
  const uid = process.getuid?.();
  if (!found.isDirectory() || (uid !== undefined && found.uid !== uid)) {
    throw new UserError(
      `${path} is not a folder of this user`,
      'set XDG_RUNTIME_DIR to a folder of your own, or remove it',
      exitCode.usage,
    );
  }
  if ((found.mode & 0o077) !== 0) chmodSync(path, 0o700);
}
