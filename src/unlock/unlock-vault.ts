// Opens a vault in whichever of its ways is at hand: first those that need nobody, then by asking the person.

import {
  defaultScryptLogN,
  looksLikeRecoveryPhrase,
  type OpenVault,
  openVault,
  readSlots,
  type SlotInfo,
  type Unlock,
  VaultError,
} from '../../store/vault.ts';
import { readPassphrase } from '../cli/passphrase.ts';
import type { Config } from '../config.ts';
import { exitCode, UserError } from '../errors.ts';
import { readServiceCredential } from './credentials-directory.ts';
import { readKeyFile } from './key-file.ts';
import { desktopKeyring, type Keyring } from './keyring.ts';
import { openOnMachine, type RunProgram } from './systemd-creds.ts';

/** Time for a person to find the question of a keyring that is locked, and to type its password. */
const keyringTimeoutMs = 60_000;

/** What is wrong with one way in only: another may open the vault. */
const wrongWays: readonly string[] = ['no-access', 'wrong-key', 'wrong-passphrase', 'wrong-phrase'];

/** Where ways in are looked for. */
export type UnlockConfig = Pick<Config, 'passphraseFile' | 'keyFile'> & Partial<Pick<Config, 'keyName'>>;

/** What a person knows. */
export type Words = { readonly passphrase: string } | { readonly recoveryPhrase: string };

/** What stands around the vault; fakes in tests. */
export interface UnlockSurroundings {
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly keyring?: Keyring;
  readonly run?: RunProgram;
  /** Told why a way that might have opened the vault did not. */
  notice?(line: string): void;
}

/**
 * Opens the vault, by itself if it can, otherwise by asking on the terminal.
 * @throws VaultError; UserError where nobody can be asked or nobody answers
 */
export async function unlockVault(
  directory: string,
  config: UnlockConfig,
  surroundings: UnlockSurroundings = {},
): Promise<OpenVault> {
  const notice = (line: string) => void process.stderr.write(`${line}\n`);
  const opened = await opensByItself(directory, config, { notice, ...surroundings });
  if (opened) return opened;
  const slots = await readSlots(directory);
  const whose = config.keyName === undefined ? '' : ` of the key "${config.keyName}"`;
  const words = await readPassphrase(undefined, `${questionFor(slots)}${whose}: `);
  return openWith(directory, unlockOf(words, slots));
}

/**
 * Opens the vault without a person: by the passphrase file, the key file, a service's credential, the keyring, systemd.
 * @returns undefined if there is none of these, or none opens it
 * @throws VaultError if the vault cannot be read at all, or a passphrase file or key file that is there does not open it;
 *   UserError if such a file cannot be read
 */
export async function opensByItself(
  directory: string,
  config: UnlockConfig,
  surroundings: UnlockSurroundings = {},
): Promise<OpenVault | undefined> {
  const slots = await readSlots(directory);
  const named = await namedWay(config, slots, surroundings);
  if (named) return openWith(directory, named);
  for (const slot of slots) {
    try {
      const unlock = await ownWay(slot, surroundings);
      if (unlock) return await openWith(directory, unlock);
    } catch (error) {
      if (!(error instanceof VaultError && wrongWays.includes(error.code))) throw error;
      surroundings.notice?.(`slot ${slot.id} (${slot.kind}) does not open the vault: ${error.message}`);
    }
  }
  return undefined;
}

/** What is typed, or stands in a passphrase file: a passphrase, or the recovery phrase of a vault that has one. */
export function unlockOf(words: string, slots: readonly SlotInfo[]): Words {
  const isPhrase = has(slots, 'recovery-phrase') && (looksLikeRecoveryPhrase(words) || !has(slots, 'passphrase'));
  return isPhrase ? { recoveryPhrase: words } : { passphrase: words };
}

/** What a person may be asked for. @throws UserError if there is nothing that a person could know */
export function questionFor(slots: readonly SlotInfo[]): string {
  const names = [
    ...(has(slots, 'passphrase') ? ['passphrase'] : []),
    ...(has(slots, 'recovery-phrase') ? ['recovery phrase'] : []),
  ].join(' or ');
  if (names !== '') return `${names[0]?.toUpperCase()}${names.slice(1)}`;
  const kinds = [...new Set(slots.map(({ kind }) => kind))].join(', ');
  throw new UserError(
    `nothing at hand opens the vault; it opens with: ${kinds}`,
    'give the key file with --key-file; keyring and systemd-creds open it only where their slot was made',
    exitCode.vault,
  );
}

/** Opens the vault, and brings a passphrase's slot to today's cost. The bytes of `unlock` are wiped. @throws VaultError */
export async function openWith(directory: string, unlock: Unlock): Promise<OpenVault> {
  try {
    return await openVault(directory, unlock, { scryptLogN: defaultScryptLogN });
  } finally {
    wipe(unlock);
  }
}

/** Forgets what has opened a vault, or has not; words are strings, which nothing can wipe. */
export function wipe(unlock: Unlock): void {
  if ('keyFile' in unlock) unlock.keyFile.fill(0);
  if ('secret' in unlock) unlock.secret.fill(0);
}

/** What flags, environment or configuration file name. A key file may be on a stick that is not plugged in. */
async function namedWay(
  { passphraseFile, keyFile }: UnlockConfig,
  slots: readonly SlotInfo[],
  { notice }: UnlockSurroundings,
): Promise<Unlock | undefined> {
  if (keyFile !== undefined) {
    const content = readKeyFile(keyFile);
    if (content) return { keyFile: content };
    notice?.(`the key file ${keyFile} is not there`);
  }
  return passphraseFile === undefined ? undefined : unlockOf(await readPassphrase(passphraseFile), slots);
}

/** What opens this slot without anybody, if it is at hand. */
async function ownWay(
  { id, kind, sealedSecret }: SlotInfo,
  { env, keyring = desktopKeyring, run }: UnlockSurroundings,
): Promise<Unlock | undefined> {
  const given = readServiceCredential(id, env);
  if (given) return asWay(kind, id, given);
  const secret =
    kind === 'keyring'
      ? await inTime(keyring.get(id))
      : kind === 'systemd-creds' && sealedSecret && (await openOnMachine(id, sealedSecret, run));
  return secret ? { secret, of: id } : undefined;
}

/** The keyring may have asked on a screen that nobody looks at. @throws VaultError `no-access` */
async function inTime<T>(answer: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unanswered()), keyringTimeoutMs);
  });
  try {
    return await Promise.race([answer, deadline]);
  } finally {
    clearTimeout(timer);
  }
}

function unanswered(): VaultError {
  return new VaultError('no-access', `the desktop's keyring has not answered for ${keyringTimeoutMs / 1000} seconds`, {
    hint: 'see whether the desktop asks for the password of the keyring',
  });
}

/** A service's credential is what its slot takes: words, the content of a key file, or a secret. */
function asWay(kind: string, id: string, content: Uint8Array): Unlock {
  if (kind === 'key-file') return { keyFile: content };
  if (kind !== 'passphrase' && kind !== 'recovery-phrase') return { secret: content, of: id };
  const [line = ''] = new TextDecoder().decode(content).split(/\r?\n/, 1);
  content.fill(0);
  return kind === 'passphrase' ? { passphrase: line } : { recoveryPhrase: line };
}

function has(slots: readonly SlotInfo[], kind: string): boolean {
  return slots.some((slot) => slot.kind === kind);
}
