// Configuration: file, environment, flags, in rising order of weight, become one frozen, validated Config.

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { isAbsolute, join, resolve } from 'node:path';
import type { CredentialKind } from '../ctap/env.ts';
import { type Profile, profiles } from '../ctap/policy.ts';
import { Extension, type ExtensionName } from '../ctap/wire.ts';
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

/** The extensions that a key can do without. CTAP 2.1 §9 insists on the others. */
const optionalExtensions = Object.values(Extension).filter(
  (name): name is OptionalExtension => name !== Extension.hmacSecret && name !== Extension.credProtect,
);
type OptionalExtension = Exclude<ExtensionName, typeof Extension.hmacSecret | typeof Extension.credProtect>;

/** What a USB string descriptor (USB 2.0 §9.6.7), and the fields of struct uhid_create2_req, have room for. */
const maxProductNameLength = 126;
const maxSerialNumberLength = 63;

/** What is particular about one relying party. */
export interface RelyingPartySettings {
  readonly credentialKind: CredentialKind;
}

export interface Config {
  /** The key of the configuration file that this is about; undefined: the one key that needs no name. */
  readonly keyName: string | undefined;
  /** Absolute. */
  readonly vaultDirectory: string;
  readonly passphraseFile: string | undefined;
  /** A file whose content opens a slot of the vault. */
  readonly keyFile: string | undefined;
  /** Minutes without use until the vault is locked; undefined: never. */
  readonly lockAfter: number | undefined;
  /** Undefined: where it can be had. */
  readonly lockOnScreenLock: boolean | undefined;
  /** `auto`, `uhid`, `gadget[:UDC]`, `usbip[:HOST:PORT]`, `socket:PATH` or `tcp:HOST:PORT`; at least one. */
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
  /** Whether an extension is on; those that are not named are. */
  readonly extensions: Readonly<Partial<Record<OptionalExtension, boolean>>>;
  /** How the device presents itself; undefined: as every key of this program does, with a serial number of its vault. */
  readonly productName: string | undefined;
  readonly serialNumber: string | undefined;
}

/** What flags, environment and file may each set; all of it text as a person wrote it. */
export interface Settings {
  /** Only as a flag: one of the configuration file's `keys`. */
  readonly key?: string | undefined;
  readonly vault?: string | undefined;
  readonly passphraseFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** Minutes. */
  readonly lockAfter?: string | number | undefined;
  readonly lockOnScreenLock?: boolean | undefined;
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
  readonly extensions?: Config['extensions'] | undefined;
  readonly productName?: string | undefined;
  readonly serialNumber?: string | undefined;
}

/** The configuration file: settings for all keys, and for each one by its name. */
interface FileSettings extends Settings {
  readonly keys?: Readonly<Record<string, Settings>>;
}

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

const here: Surroundings = { env: process.env, home: homedir() };

/** @throws UserError that names the setting, what was expected and what came. */
export function loadConfig(flags: Settings, surroundings: Surroundings = here): Config {
  refuseEmpty(flags);
  const { keys = {}, ...common } = fromFile(configFile(surroundings));
  const layers = [flags, fromEnvironment(surroundings.env), atHome(common, surroundings)];
  if (flags.key !== undefined) {
    // The key that a flag names outweighs the environment, and no vault but its own is meant.
    const own = namedKey(flags.key, keys, surroundings);
    const vault = join(dataDirectory(surroundings), 'keys', flags.key);
    layers.splice(1, 0, { vault, ...atHome(own, surroundings) });
  }
  const pick = <K extends keyof Settings>(name: K) => layers.map((layer) => layer[name]).find((value) => value);
  return Object.freeze({
    keyName: flags.key,
    vaultDirectory: resolve(pick('vault') ?? join(dataDirectory(surroundings), 'vault')),
    passphraseFile: pick('passphraseFile'),
    keyFile: pick('keyFile'),
    lockAfter: minutesOf(pick('lockAfter')),
    lockOnScreenLock: layers.find((layer) => layer.lockOnScreenLock !== undefined)?.lockOnScreenLock,
    transports: pick('transport') ?? ['auto'],
    consent: oneOf('consent', consentModes, pick('consent') ?? 'ask'),
    logLevel: oneOf('log level', logLevels, pick('logLevel') ?? 'info'),
    profile: oneOf('profile', Object.keys(profiles) as Profile[], pick('profile') ?? 'compatible'),
    attestation: oneOf('attestation', attestationModes, pick('attestation') ?? 'self'),
    resetWindow: oneOf('reset window', resetWindows, pick('resetWindow') ?? 'power-up'),
    credentialKind: credentialKindOf(pick('credentialKind')),
    relyingParties: pick('relyingParties') ?? {},
    enterprise: pick('enterprise'),
    extensions: pick('extensions') ?? {},
    productName: pick('productName'),
    serialNumber: pick('serialNumber'),
  });
}

/** The names of the keys that the configuration file has a section for, in its order. @throws UserError */
export function keyNames(surroundings: Surroundings = here): string[] {
  return Object.keys(fromFile(configFile(surroundings)).keys ?? {});
}

function namedKey(name: string, keys: Readonly<Record<string, Settings>>, surroundings: Surroundings): Settings {
  const found = Object.hasOwn(keys, name) ? keys[name] : undefined;
  if (found) return found;
  const names = Object.keys(keys).join(', ');
  throw new UserError(
    `there is no key "${name}" in ${configFile(surroundings)}`,
    names ? `its keys: ${names}` : `name keys there: {"keys": {"${name}": {}}}`,
    exitCode.usage,
  );
}

function minutesOf(setting: string | number | undefined): number | undefined {
  if (setting === undefined || Number(setting) > 0) return setting === undefined ? undefined : Number(setting);
  throw new UserError(`expected minutes, more than 0, for --lock-after, got ${setting}`, undefined, exitCode.usage);
}

/** @throws UserError if a text is no kind of credential. */
export function credentialKindOf(text: string | undefined): CredentialKind | undefined {
  return text === undefined ? undefined : oneOf('kind of credentials', credentialKinds, text);
}

/** An empty flag is a script's unset variable: `reset --vault ""` must not mean the vault of every day. */
function refuseEmpty({ key, vault, passphraseFile, keyFile, consent, logLevel }: Settings): void {
  if (key !== undefined && vault !== undefined) {
    throw new UserError(
      '--key and --vault exclude each other',
      'a key of the configuration file has its vault',
      exitCode.usage,
    );
  }
  for (const [flag, value] of Object.entries({
    key,
    vault,
    'passphrase-file': passphraseFile,
    'key-file': keyFile,
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
    keyFile: env['PASSFOB_KEY_FILE'],
    lockAfter: env['PASSFOB_LOCK_AFTER'],
    transport: transport?.length ? transport : undefined,
    consent: env['PASSFOB_CONSENT'],
    logLevel: env['PASSFOB_LOG_LEVEL'],
    profile: env['PASSFOB_PROFILE'],
    attestation: env['PASSFOB_ATTESTATION'],
    resetWindow: env['PASSFOB_RESET_WINDOW'],
    credentialKind: env['PASSFOB_CREDENTIAL_KIND'],
  };
}

function fromFile(path: string): FileSettings {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return {};
    throw new UserError(`cannot read ${path}: ${(error as Error).message}`, undefined, exitCode.usage);
  }
  return checkFile(path, parse(path, text));
}

/** In the file `~/` is the home of this user, as in a shell; no other path is relative, since to what would be a guess. */
function atHome(settings: Settings, { home }: Surroundings): Settings {
  const { vault, passphraseFile, keyFile, transport } = settings;
  const expand = (path: string) => path.replace(/^(socket:)?~\//, (_, scheme = '') => `${scheme}${home}/`);
  return {
    ...settings,
    ...(vault && { vault: expand(vault) }),
    ...(passphraseFile && { passphraseFile: expand(passphraseFile) }),
    ...(keyFile && { keyFile: expand(keyFile) }),
    ...(transport && { transport: transport.map(expand) }),
  };
}

function parse(path: string, text: string): unknown {
  try {
    // Some editors begin a file with a byte-order mark.
    return JSON.parse(text.replace(/^\ufeff/, ''));
  } catch (error) {
    throw new UserError(`${path} is not JSON: ${(error as Error).message}`, undefined, exitCode.usage);
  }
}

interface FileKey {
  fits(value: unknown): boolean;
  readonly expected: string;
}

const text: FileKey = { fits: isText, expected: 'a text that is not empty' };

const anywhere = 'a path that begins with / or ~/';
const filePath: FileKey = { fits: isPath, expected: anywhere };

/** The settings that each key may have of its own; without `logLevel`, since the keys of a process share its log. */
const ownKeys = {
  vault: filePath,
  passphraseFile: filePath,
  keyFile: filePath,
  lockAfter: { fits: (value) => typeof value === 'number' && value > 0, expected: 'a number of minutes' },
  lockOnScreenLock: { fits: (value) => typeof value === 'boolean', expected: 'true or false' },
  transport: {
    fits: (value) => isTexts(value) && value.length > 0 && value.every(isTransport),
    expected: `an array of texts; after socket: ${anywhere}`,
  },
  consent: text,
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
  extensions: {
    fits: (value) =>
      isObject(value) &&
      Object.entries(value).every(([name, isOn]) => isOptionalExtension(name) && typeof isOn === 'boolean'),
    expected: `like {"largeBlobKey": false}, with any of ${optionalExtensions.join(', ')}`,
  },
  productName: printable(maxProductNameLength),
  serialNumber: printable(maxSerialNumberLength),
} as const satisfies Partial<Record<keyof Settings, FileKey>>;

const fileKeys = {
  ...ownKeys,
  logLevel: text,
  keys: { fits: isObject, expected: 'like {"work": {"transport": ["uhid"]}}' },
} as const satisfies Partial<Record<keyof FileSettings, FileKey>>;

function checkFile(path: string, value: unknown): FileSettings {
  const settings: FileSettings = checkSettings(path, [], value, fileKeys);
  for (const [name, section] of Object.entries(settings.keys ?? {})) {
    if (!/^[a-z0-9][a-z0-9._-]{0,31}$/i.test(name)) {
      throw new UserError(
        `${path}: "keys" names a key "${name}"`,
        'a name is 1 to 32 letters, digits, dots, dashes and underscores, and begins with a letter or digit',
        exitCode.usage,
      );
    }
    checkSettings(path, ['keys', name], section, ownKeys);
  }
  return settings;
}

/** `place`: the names that lead to `value` inside the file. */
function checkSettings(
  path: string,
  place: readonly string[],
  value: unknown,
  known: Readonly<Record<string, FileKey>>,
): Record<string, unknown> {
  const refuse = (what: string): never => {
    throw new UserError(`${path}: ${what}`, `known settings: ${Object.keys(known).join(', ')}`, exitCode.usage);
  };
  const quoted = (...names: readonly string[]) => `"${[...place, ...names].join('.')}"`;
  if (!isObject(value)) return refuse(`${place.length > 0 ? `${quoted()}: ` : ''}expected a JSON object`);
  for (const [key, member] of Object.entries(value)) {
    const setting = Object.hasOwn(known, key) ? known[key] : undefined;
    if (!setting) return refuse(`unknown setting ${quoted(key)}`);
    if (!setting.fits(member)) return refuse(`${quoted(key)} must be ${setting.expected}`);
  }
  return value;
}

function printable(maxLength: number): FileKey {
  return {
    fits: (value) => isText(value) && /^[\x20-\x7e]+$/.test(value) && value.length <= maxLength,
    expected: `1 to ${maxLength} printable ASCII characters`,
  };
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

function isPath(value: unknown): boolean {
  return isText(value) && (isAbsolute(value) || value.startsWith('~/'));
}

function isTransport(word: string): boolean {
  return !word.startsWith('socket:') || isPath(word.slice('socket:'.length));
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isText);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isOptionalExtension(name: string): boolean {
  return optionalExtensions.some((known) => known === name);
}

function isRelyingPartySettings(value: unknown): boolean {
  if (!isObject(value) || Object.keys(value).join() !== 'credentialKind') return false;
  return credentialKinds.some((kind) => kind === value['credentialKind']);
}

/** The one of `allowed` that `value` names. @throws UserError */
export function oneOf<T extends string>(name: string, allowed: readonly T[], value: string): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) {
    throw new UserError(`unknown ${name} "${value}"`, `one of: ${allowed.join(', ')}`, exitCode.usage);
  }
  return found;
}
