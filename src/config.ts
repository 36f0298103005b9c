// Configuration: file, environment, flags, in rising order of weight, become one frozen, validated Config.

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import type { CredentialKind } from '../ctap/env.ts';
import { type Profile, profiles } from '../ctap/policy.ts';
import { exitCode, UserError } from './errors.ts';
import { type LogLevel, logLevels } from './log.ts';

export const consentModes = ['ask', 'always', 'never', 'scripted'] as const;
export type ConsentMode = (typeof consentModes)[number];

export const attestationModes = ['self', 'certificate', 'none'] as const;
export type AttestationMode = (typeof attestationModes)[number];

/** When hosts may ask for a reset: soon after power-up, as CTAP 2.1 §6.6 has it, or whenever they like. */
export const resetWindows = ['power-up', 'always'] as const;
export type ResetWindow = (typeof resetWindows)[number];

export const credentialKinds: readonly CredentialKind[] = ['device-bound', 'synced'];

/** What is particular about one relying party. */
export interface RelyingPartySettings {
  readonly credentialKind: CredentialKind;
}

export interface Config {
  /** Absolute. */
  readonly vaultDirectory: string;
  readonly passphraseFile: string | undefined;
  /** `auto`, `uhid`, `socket:PATH` or `tcp:HOST:PORT`; at least one. */
  readonly transports: readonly string[];
  readonly consent: ConsentMode;
  readonly logLevel: LogLevel;
  readonly profile: Profile;
  readonly attestation: AttestationMode;
  readonly resetWindow: ResetWindow;
  /** Undefined: as the vault was made. */
  readonly credentialKind: CredentialKind | undefined;
  /** By RP ID. */
  readonly relyingParties: Readonly<Record<string, RelyingPartySettings>>;
  /** The RP IDs that may ask for vendor-facilitated enterprise attestation; undefined: there is no such attestation. */
  readonly enterprise: { readonly rpIds: readonly string[] } | undefined;
}

/** What flags, environment and file may each set; all of it text as a person wrote it. */
export interface Settings {
  readonly vault?: string | undefined;
  readonly passphraseFile?: string | undefined;
  readonly transport?: readonly string[] | undefined;
  readonly consent?: string | undefined;
  readonly logLevel?: string | undefined;
  readonly profile?: string | undefined;
  readonly attestation?: string | undefined;
  readonly resetWindow?: string | undefined;
  readonly credentialKind?: string | undefined;
  /** In the file only, like `enterprise`. */
  readonly relyingParties?: Config['relyingParties'] | undefined;
  readonly enterprise?: Config['enterprise'];
}

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

const here: Surroundings = { env: process.env, home: homedir() };

/** @throws UserError that names the setting, what was expected and what came. */
export function loadConfig(flags: Settings, surroundings: Surroundings = here): Config {
  refuseEmpty(flags);
  const layers = [flags, fromEnvironment(surroundings.env), fromFile(configFile(surroundings))];
  const pick = <K extends keyof Settings>(name: K) => layers.map((layer) => layer[name]).find((value) => value);
  return Object.freeze({
    vaultDirectory: resolve(pick('vault') ?? join(dataDirectory(surroundings), 'vault')),
    passphraseFile: pick('passphraseFile'),
    transports: pick('transport') ?? ['auto'],
    consent: oneOf('consent', consentModes, pick('consent') ?? 'ask'),
    logLevel: oneOf('log level', logLevels, pick('logLevel') ?? 'info'),
    profile: oneOf('profile', Object.keys(profiles) as Profile[], pick('profile') ?? 'compatible'),
    attestation: oneOf('attestation', attestationModes, pick('attestation') ?? 'self'),
    resetWindow: oneOf('reset window', resetWindows, pick('resetWindow') ?? 'power-up'),
    credentialKind: credentialKindOf(pick('credentialKind')),
    relyingParties: pick('relyingParties') ?? {},
    enterprise: pick('enterprise'),
  });
}

/** @throws UserError if a text is no kind of credential. */
export function credentialKindOf(text: string | undefined): CredentialKind | undefined {
  return text === undefined ? undefined : oneOf('kind of credentials', credentialKinds, text);
}

/** An empty flag is a script's unset variable: `reset --vault ""` must not mean the vault of every day. */
function refuseEmpty({ vault, passphraseFile, consent, logLevel }: Settings): void {
  for (const [flag, value] of Object.entries({
    vault,
    'passphrase-file': passphraseFile,
    consent,
    'log-level': logLevel,
  })) {
    if (value === '') throw new UserError(`--${flag} is empty`, 'leave it out, or give it a value', exitCode.usage);
  }
}

/** Where sockets live: `$XDG_RUNTIME_DIR/passfob`, or a folder of this user's own where there is none. */
export function runtimeDirectory({ env }: Surroundings = here): string {
  const base = env['XDG_RUNTIME_DIR'];
  return base ? join(base, 'passfob') : join(env['TMPDIR'] || '/tmp', `passfob-${process.getuid?.() ?? 'user'}`);
}

function dataDirectory({ env, home }: Surroundings): string {
  return join(env['XDG_DATA_HOME'] || join(home, '.local', 'share'), 'passfob');
}

function configFile({ env, home }: Surroundings): string {
  return join(env['XDG_CONFIG_HOME'] || join(home, '.config'), 'passfob', 'config.json');
}

function fromEnvironment(env: Surroundings['env']): Settings {
  const transport = env['PASSFOB_TRANSPORT']?.split(/\s+/).filter(Boolean);
  return {
    vault: env['PASSFOB_VAULT'],
    passphraseFile: env['PASSFOB_PASSPHRASE_FILE'],
    transport: transport?.length ? transport : undefined,
    consent: env['PASSFOB_CONSENT'],
    logLevel: env['PASSFOB_LOG_LEVEL'],
    profile: env['PASSFOB_PROFILE'],
    attestation: env['PASSFOB_ATTESTATION'],
    resetWindow: env['PASSFOB_RESET_WINDOW'],
    credentialKind: env['PASSFOB_CREDENTIAL_KIND'],
  };
}

function fromFile(path: string): Settings {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new UserError(`cannot read ${path}: ${(error as Error).message}`, undefined, exitCode.usage);
  }
  return checkFile(path, parse(path, text));
}

function parse(path: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(`${path} is not JSON: ${(error as Error).message}`, undefined, exitCode.usage);
  }
}

interface FileKey {
  fits(value: unknown): boolean;
  readonly expected: string;
}

const text: FileKey = { fits: isText, expected: 'a text that is not empty' };

const fileKeys = {
  vault: text,
  passphraseFile: text,
  transport: { fits: (value) => isTexts(value) && value.length > 0, expected: 'an array of texts' },
  consent: text,
  logLevel: text,
  profile: text,
  attestation: text,
  resetWindow: text,
  credentialKind: text,
  relyingParties: {
    fits: (value) => isObject(value) && Object.values(value).every(isRelyingPartySettings),
    expected: 'like {"example.com": {"credentialKind": "synced"}}, with kinds device-bound and synced',
  },
  enterprise: {
    fits: (value) => isObject(value) && Object.keys(value).join() === 'rpIds' && isTexts(value['rpIds']),
    expected: 'like {"rpIds": ["example.com"]}',
  },
} as const satisfies Record<keyof Settings, FileKey>;

function checkFile(path: string, value: unknown): Settings {
  const refuse = (what: string): never => {
    throw new UserError(`${path}: ${what}`, `known settings: ${Object.keys(fileKeys).join(', ')}`, exitCode.usage);
  };
  if (!isObject(value)) return refuse('expected a JSON object');
  for (const [key, member] of Object.entries(value)) {
    const known: FileKey | undefined = Object.hasOwn(fileKeys, key) ? fileKeys[key as keyof Settings] : undefined;
    if (!known) return refuse(`unknown setting "${key}"`);
    if (!known.fits(member)) return refuse(`"${key}" must be ${known.expected}`);
  }
  return value;
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isRelyingPartySettings(value: unknown): boolean {
  if (!isObject(value) || Object.keys(value).join() !== 'credentialKind') return false;
  return credentialKinds.some((kind) => kind === value['credentialKind']);
}

function oneOf<T extends string>(name: string, allowed: readonly T[], value: string): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) {
    throw new UserError(`unknown ${name} "${value}"`, `one of: ${allowed.join(', ')}`, exitCode.usage);
  }
  return found;
}
