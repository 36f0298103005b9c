// A vault that is to open by itself: how it does, and what is said where it does not.

import { join } from 'node:path';
import { expect } from 'vitest';
import { type RunningCommand, start, succeed } from './command.ts';
import { startDaemon } from './daemon.ts';
import { makeVault, program, type Vault } from './vault.ts';

export interface SilentVault {
  /** For somebody with its key file, which costs no scrypt. */
  readonly vault: Vault;
  /** For somebody who gives nothing to open it. */
  readonly silent: Vault;
}

export async function makeSilentVault(): Promise<SilentVault> {
  const made = await makeVault();
  const { PASSFOB_PASSPHRASE_FILE: _, ...env } = made.env;
  const { PASSFOB_KEY_FILE: __, ...silentEnv } = env;
  return { vault: asSeenBy(made, env), silent: asSeenBy(made, silentEnv) };
}

function asSeenBy(made: Vault, env: NodeJS.ProcessEnv): Vault {
  return { ...made, env, passfob: (...args) => succeed(process.execPath, [program, ...args], { env }) };
}

/** Its id. */
export async function addSlot(who: Vault, ...args: string[]): Promise<string> {
  const { id } = JSON.parse(await who.passfob('vault', 'slots', 'add', ...args, '--json')) as { id: string };
  return id;
}

/** Expects the vault to open by itself, for a command and for the daemon. */
export async function opensByItself(silent: Vault): Promise<void> {
  expect(JSON.parse(await silent.passfob('credentials', 'list', '--json'))).toEqual([]);
  const transport = ['--transport', `socket:${join(silent.folder, 'socket')}`];
  const daemon = await startDaemon({ vault: silent, transport });
  try {
    expect(await daemon.control.status()).toMatchObject({ locked: false });
  } finally {
    await daemon.end('SIGTERM');
  }
}

/** What a command says of a vault that does not open by itself, where nobody can be asked. */
export async function refusal(silent: Vault): Promise<string> {
  const list = [program, 'credentials', 'list'];
  const { code, stderr } = await start(process.execPath, list, { env: silent.env }).finished;
  expect(code).not.toBe(0);
  expect(stderr).toContain('no passphrase: standard input is not a terminal');
  return stderr;
}

/** Ends a program that a test started. */
export async function end({ process, finished }: RunningCommand): Promise<void> {
  process.kill('SIGTERM');
  await finished;
}
