// A vault for tests, and the program's commands on it: with or without a daemon, as a person would give them.

import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CredentialView } from '../../src/control/operations.ts';
import { succeed } from './command.ts';

/** The built program. */
export const program = new URL('../../dist/bin/passfob.js', import.meta.url).pathname;

export interface Vault {
  /** An empty folder for a test's files. */
  readonly folder: string;
  /** What the program needs to know to find the vault, and to leave the home of whoever runs the tests alone. */
  readonly env: NodeJS.ProcessEnv;
  /** Runs a command of the program and returns what it printed. */
  passfob(...args: string[]): Promise<string>;
  /** Looks into the vault: `passfob credentials list --json`. */
  credentials(): Promise<CredentialView[]>;
}

/** What `passfob vault init` made, for all tests of one run: it takes half a minute on an emulated processor. */
const pristineVault = join(process.env['PASSFOB_E2E_RUN'] ?? '', 'vault');
/** Opens it: a passphrase would cost each program ten seconds there. */
const keyFile = join(process.env['PASSFOB_E2E_RUN'] ?? '', 'key');

/** A new vault: the first of a run is made with `passfob vault init`, the others are copies of that one. */
export async function makeVault(): Promise<Vault> {
  const root = mkdtempSync(join(tmpdir(), 'passfob-'));
  const inRoot = (name: string) => join(root, name);
  mkdirSync(inRoot('files'));
  mkdirSync(inRoot('runtime'), { mode: 0o700 });
  writeFileSync(inRoot('passphrase'), 'a passphrase for tests\n', { mode: 0o600 });
  const env = {
    ...process.env,
    HOME: root,
    XDG_RUNTIME_DIR: inRoot('runtime'),
    XDG_CONFIG_HOME: root,
    PASSFOB_VAULT: inRoot('vault'),
    PASSFOB_PASSPHRASE_FILE: inRoot('passphrase'),
    PASSFOB_KEY_FILE: keyFile,
  };
  const passfob = (...args: string[]) => succeed(process.execPath, [program, ...args], { env });
  const credentials = async () => JSON.parse(await passfob('credentials', 'list', '--json')) as CredentialView[];
  if (!existsSync(pristineVault)) {
    writeFileSync(keyFile, randomBytes(32), { mode: 0o600 });
    await passfob('vault', 'init');
    cpSync(inRoot('vault'), pristineVault, { recursive: true });
  } else {
    cpSync(pristineVault, inRoot('vault'), { recursive: true });
  }
  return { folder: inRoot('files'), env, passfob, credentials };
}
