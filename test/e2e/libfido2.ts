// libfido2's tools fido2-cred and fido2-assert: what they read and print is a list of lines, see their manual pages.

import { createHash, randomBytes, randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
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

export interface ToolOptions {
  /** Of the tool, like `-r` or `-h`. */
  readonly options?: readonly string[];
  /** How the tool calls the algorithm: `es256`, `es384` or `eddsa`. */
  readonly type?: string;
  /** What it reads where it asks for the PIN. */
  readonly pin?: string;
  /** For the extension hmac-secret, base64. */
  readonly salt?: string;
}

/** Runs `fido2-cred -M`. `options`: `-r` discoverable, `-u` over U2F. */
export function makeCredential(
  node: string,
  rpId: string,
  userName: string,
  ...options: string[]
): Promise<MadeCredential> {
  return makeCredentialWith(node, rpId, userName, { options });
}

export async function makeCredentialWith(
  node: string,
  rpId: string,
  userName: string,
  { options = [], type, pin }: ToolOptions,
): Promise<MadeCredential> {
  const request = fileOf(credentialRequest(rpId, userName));
  const args = ['-M', ...options, '-i', request, node, ...(type ? [type] : [])];
  const output = await succeed('fido2-cred', args, { input: `${pin ?? ''}\n` });
  const [, , format = '', , id = ''] = output.split('\n');
  return { rpId, id, format, output };
}

/**
 * Verifies the attestation with libfido2 and keeps the public key in a file of `folder`, whose path is returned.
 * `options`: `-h` hmac-secret, `-v` the person was verified, `-c` the level of credProtect.
 */
export async function verifyCredential(
  credential: MadeCredential,
  folder: string,
  { options = [], type = 'es256' }: ToolOptions = {},
): Promise<string> {
  const verified = await succeed('fido2-cred', ['-V', ...options, type], { input: credential.output });
  const [id, ...publicKey] = verified.split('\n');
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
  return startAssertionWith(node, rpId, id, { options });
}

export function startAssertionWith(
  node: string,
  rpId: string,
  id: string | undefined,
  { options = [], pin, salt }: ToolOptions,
): RunningCommand {
  const optional = [id, salt].filter((each) => each !== undefined);
  const request = fileOf(lines(hashOf(`sign in to ${rpId}`), rpId, ...optional));
  const byKey = id === undefined ? ['-r'] : [];
  return start('fido2-assert', ['-G', '-p', ...byKey, ...options, '-i', request, node], { input: `${pin ?? ''}\n` });
}

/** Verifies with libfido2 what `fido2-assert -G` printed, presence included. `options`: `-v` verification, too. */
export async function verifyAssertion(
  output: string,
  publicKeyFile: string,
  { options = [], type = 'es256' }: ToolOptions = {},
): Promise<void> {
  await succeed('fido2-assert', ['-V', '-p', ...options, publicKeyFile, type], { input: output });
}

/** A request goes to the tools in a file, so that their input is free for the PIN. */
function fileOf(text: string): string {
  const file = join(tmpdir(), `request-${randomUUID()}`);
  writeFileSync(file, text);
  return file;
}
