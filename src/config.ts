// Configuration: file, environment, flags, in rising order of weight, become one frozen, validated Config.

import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { exitCode, UserError } from './errors.ts';
import { type LogLevel, logLevels } from './log.ts';

export const consentModes = ['ask', 'always', 'never', 'scripted'] as const;
export type ConsentMode = (typeof consentModes)[number];

export interface Config {
  /** Absolute. */
  readonly vaultDirectory: string;
  readonly passphraseFile: string | undefined;
  /** `auto`, `uhid`, `socket:PATH` or `tcp:HOST:PORT`; at least one. */
  readonly transports: readonly string[];
  readonly consent: ConsentMode;
  readonly logLevel: LogLevel;
}

/** What flags, environment and file may each set; all of it text as a person wrote it. */
export interface Settings {
  readonly vault?: string | undefined;
  readonly passphraseFile?: string | undefined;
  readonly transport?: readonly string[] | undefined;
  readonly consent?: string | undefined;
  readonly logLevel?: string | undefined;
}

export interface Surroundings {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
}

const here: Surroundings = { env: process.env, home: homedir() };

/** @throws UserError that names the setting, what was expected and what came. */
export function loadConfig(flags: Settings, surroundings: Surroundings = here): Config {
  const layers = [flags, fromEnvironment(surroundings.env), fromFile(configFile(surroundings))];
  const pick = <K extends keyof Settings>(name: K) => layers.map((layer) => layer[name]).find((value) => value);
  return Object.freeze({
    vaultDirectory: resolve(pick('vault') ?? join(dataDirectory(surroundings), 'vault')),
    passphraseFile: pick('passphraseFile'),
    transports: pick('transport') ?? ['auto'],
    consent: oneOf('consent', consentModes, pick('consent') ?? 'ask'),
    logLevel: oneOf('log level', logLevels, pick('logLevel') ?? 'info'),
  });
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
  return {
    vault: env['PASSFOB_VAULT'],
    passphraseFile: env['PASSFOB_PASSPHRASE_FILE'],
    transport: env['PASSFOB_TRANSPORT']?.split(/\s+/).filter(Boolean),
    consent: env['PASSFOB_CONSENT'],
    logLevel: env['PASSFOB_LOG_LEVEL'],
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

const fileKeys = {
  vault: isText,
  passphraseFile: isText,
  transport: (value: unknown) => Array.isArray(value) && value.length > 0 && value.every(isText),
  consent: isText,
  logLevel: isText,
} as const satisfies Record<keyof Settings, (value: unknown) => boolean>;

function checkFile(path: string, value: unknown): Settings {
  const refuse = (what: string): never => {
    throw new UserError(`${path}: ${what}`, `known settings: ${Object.keys(fileKeys).join(', ')}`, exitCode.usage);
  };
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return refuse('expected a JSON object');
  for (const [key, member] of Object.entries(value)) {
    const fits = Object.hasOwn(fileKeys, key) ? fileKeys[key as keyof Settings] : undefined;
    if (!fits) return refuse(`unknown setting "${key}"`);
    if (!fits(member)) {
      return refuse(`"${key}" must be ${key === 'transport' ? 'an array of texts' : 'a text that is not empty'}`);
    }
  }
  return value;
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== '';
}

function oneOf<T extends string>(name: string, allowed: readonly T[], value: string): T {
  const found = allowed.find((candidate) => candidate === value);
  if (found === undefined) {
    throw new UserError(`unknown ${name} "${value}"`, `one of: ${allowed.join(', ')}`, exitCode.usage);
  }
  return found;
}
