// A way into the vault that a person has: what they give to unlock it, and what shows that they may have its private
// keys. It goes over the control socket as JSON.

import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { readSlots, type Unlock } from '../../store/vault.ts';
import { readPassphrase } from '../cli/passphrase.ts';
import { exitCode, UserError } from '../errors.ts';
import { readKeyFile } from './key-file.ts';
import { questionFor, type UnlockConfig, unlockOf, type Words } from './unlock-vault.ts';

/** A key file by its absolute path. */
export type WayIn = Words | { readonly keyFile: string };

/** The key file or passphrase file that is named, otherwise what a person types. @throws UserError */
export async function askWayIn(directory: string, { keyFile, passphraseFile }: UnlockConfig): Promise<WayIn> {
  if (keyFile !== undefined) {
    if (existsSync(keyFile)) return { keyFile: resolve(keyFile) };
    process.stderr.write(`the key file ${keyFile} is not there\n`);
  }
  const slots = await readSlots(directory);
  return unlockOf(await readPassphrase(passphraseFile, `${questionFor(slots)} of the vault: `), slots);
}

/** What the vault takes. @throws UserError if there is no such key file, or it cannot be read */
export function unlockBy(way: WayIn): Unlock {
  if (!('keyFile' in way)) return way;
  const keyFile = readKeyFile(way.keyFile);
  if (keyFile) return { keyFile };
  throw new UserError(`there is no key file ${way.keyFile}`, 'name it with --key-file', exitCode.usage);
}

/** Its name, for people. */
export function nameOf(way: WayIn): string {
  if ('passphrase' in way) return 'passphrase';
  return 'keyFile' in way ? 'key file' : 'recovery phrase';
}
