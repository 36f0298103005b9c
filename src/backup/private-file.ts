// Files with secrets in them: whole or not there at all, and for their owner's eyes only.

import { randomBytes } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { exitCode, UserError } from '../errors.ts';

/** Asked before anything else is. @throws UserError if the file is there and must not be written over, or has no folder */
export function refuseExisting(path: string, force: boolean | undefined): void {
  if (path === '-') {
    throw new UserError('expected a file, got "-"', 'passkeys are written to files only: name one', exitCode.usage);
  }
  if (!force && existsSync(path)) throw exists(path);
  requireFolder(path);
}

/** Asked before anything else is. @throws UserError if the file has no folder to be in */
export function requireFolder(path: string): void {
  if (!existsSync(dirname(path))) throw noFolder(path);
}

/**
 * Writes a file of mode 0600 at once, durably. An existing one is only written over with `force`.
 * @throws UserError; nothing is left behind then
 */
export function writePrivateFile(path: string, content: Uint8Array, force: boolean | undefined): void {
  const draft = join(dirname(path), `.${basename(path)}.${randomBytes(6).toString('hex')}`);
  let isReserved = false;
  try {
    // Takes the name first, so that a file which appears meanwhile is not written over either.
    if (!force) {
      closeSync(openSync(path, 'wx', 0o600));
      isReserved = true;
    }
    writeDurably(draft, content);
    renameSync(draft, path);
    syncDirectory(dirname(path));
  } catch (error) {
    rmSync(draft, { force: true });
    if (isReserved) rmSync(path, { force: true });
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') throw exists(path);
    throw code === 'ENOENT' ? noFolder(path) : new UserError(`cannot write ${path}: ${message}`);
  }
}

function writeDurably(path: string, content: Uint8Array): void {
  const file = openSync(path, 'wx', 0o600);
  try {
    for (let offset = 0; offset < content.length; ) offset += writeSync(file, content, offset);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

/** Without this the name may be gone after a power cut, though the content is not. */
function syncDirectory(path: string): void {
  const directory = openSync(path, 'r');
  try {
    fsyncSync(directory);
  } catch {
    // Not every file system can.
  } finally {
    closeSync(directory);
  }
}

function exists(path: string): UserError {
  return new UserError(`${path} is there already`, 'name another file, or write over it with --force');
}

function noFolder(path: string): UserError {
  return new UserError(`cannot write ${path}: there is no folder ${dirname(path)}`, 'make it, or name another place');
}
