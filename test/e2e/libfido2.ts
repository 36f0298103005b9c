// libfido2's tools fido2-cred and fido2-assert: what they read and print is a list of lines, see their manual pages.

import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RunningCommand, start, succeed } from './command.ts';

export interface MadeCredential {
  readonly rpId: string;
  /** base64. */
  readonly id: string;
  readonly format: string;
  /** All that fido2-cred printed. */
  readonly output: string;
}

export const hashOf = (text: string): string => createHash('sha256').update(text).digest('base64');

const lines = (...each: string[]): string => each.map((line) => `${line}\n`).join('');

/** The input of `fido2-cred -M` for a new user of `rpId`. */
export function credentialRequest(rpId: string, userName: string): string {
  return lines(hashOf(`register ${userName}`), rpId, userName, randomBytes(16).toString('base64'));
}

/** `options` are those of fido2-cred: `-r` discoverable, `-u` over U2F. */
export async function makeCredential(
  node: string,
  rpId: string,
  userName: string,
  ...options: string[]
): Promise<MadeCredential> {
  const input = credentialRequest(rpId, userName);
  const output = await succeed('fido2-cred', ['-M', ...options, node], { input });
  const [, , format = '', , id = ''] = output.split('\n');
  return { rpId, id, format, output };
}

/** Verifies the attestation with libfido2 and keeps the public key in a file of `folder`, whose path is returned. */
export async function verifyCredential(credential: MadeCredential, folder: string): Promise<string> {
  const [id, ...publicKey] = (await succeed('fido2-cred', ['-V'], { input: credential.output })).split('\n');
  if (id !== credential.id) throw new Error(`expected the id ${credential.id}, but fido2-cred verified ${id}`);
  const file = join(folder, 'public-key.pem');
  writeFileSync(file, publicKey.join('\n'));
  return file;
}

/** Starts `fido2-assert -G`. Without an id (base64) the key chooses: a discoverable credential. */
export function startAssertion(
  node: string,
  rpId: string,
  id: string | undefined,
  ...options: string[]
): RunningCommand {
  const input = lines(hashOf(`sign in to ${rpId}`), rpId, ...(id === undefined ? [] : [id]));
  const byKey = id === undefined ? ['-r'] : [];
  return start('fido2-assert', ['-G', '-p', ...byKey, ...options, node], { input });
}

/** Verifies with libfido2 what `fido2-assert -G` printed, presence included. */
export async function verifyAssertion(output: string, publicKeyFile: string): Promise<void> {
  await succeed('fido2-assert', ['-V', '-p', publicKeyFile, 'es256'], { input: output });
}
