// A file whose content opens the vault: on a stick, on a disk that is encrypted, from a secret manager.

import { randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { writePrivateFile } from '../backup/private-file.ts';
import { exitCode, UserError } from '../errors.ts';

const newFileBytes = 32;
/** Less than this cannot be random enough: the content is not stretched as a passphrase is. */
const minBytes = 32;
const maxBytes = 8 * 1024 * 1024;

/** The content of a key file; undefined if it is not there. @throws UserError if it cannot be read, or cannot be one. */
export function readKeyFile(path: string): Uint8Array | undefined {
  try {
    const { size } = statSync(path);
    if (size < minBytes || size > maxBytes)
      throw new Error(`expected ${minBytes} bytes to 8 MiB, it has ${size} bytes`);
    return readFileSync(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw new UserError(`cannot use the key file ${path}: ${(error as Error).message}`, undefined, exitCode.usage);
  }
}

/** Makes a key file of 32 random bytes, mode 0600, durably. @throws UserError */
export function createKeyFile(path: string): Uint8Array {
  const content = randomBytes(newFileBytes);
  writePrivateFile(path, content, false);
  return content;
}
