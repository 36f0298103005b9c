// passfob info: what a key says of itself, ours or any other.

import type { Command } from 'commander';
import { algorithmName } from '../../ctap/cose.ts';
import { CtapHidClient } from '../../hid/host/ctaphid-client.ts';
import type { Settings } from '../config.ts';
import { formatAaguid } from '../control/local-operations.ts';
import { base64url } from '../jwk.ts';
import type { AuthenticatorInfo } from '../platform/authenticator-info.ts';
import { CtapClient } from '../platform/ctap-client.ts';
import { vaultOptions, withKey } from './key-session.ts';
import { printFields, printJson } from './output.ts';

export function addInfoCommand(program: Command): void {
  vaultOptions(program.command('info').description('show what a key says of itself (authenticatorGetInfo)'))
    .option('--device <path>', 'ask another key, by the path of its HID device (/dev/hidraw0)')
    .option('--json', 'print JSON')
    .action(info);
}

async function info(flags: Settings & { device?: string; json?: boolean }): Promise<void> {
  const { device } = flags;
  const found = device === undefined ? await ownInfo(flags) : await deviceInfo(device);
  if (flags.json) printJson(toJson(found));
  else printFields(toFields(found));
}

function ownInfo(flags: Settings): Promise<AuthenticatorInfo> {
  return withKey(flags, (key) => new CtapClient({ cbor: () => key.info() }).getInfo());
}

async function deviceInfo(path: string): Promise<AuthenticatorInfo> {
  // Loaded only here: node-hid is for talking to other keys, never for being one.
  const { openDevice } = await import('../../hid/host/open-device.ts');
  const connection = await openDevice(path);
  try {
    return await new CtapClient(await CtapHidClient.connect(connection)).getInfo();
  } finally {
    await connection.close();
  }
}

/** The members by the specification's names; byte strings in base64url, the AAGUID in its dashed form. */
function toJson(found: AuthenticatorInfo): Record<string, unknown> {
  const plain = (value: unknown): unknown => {
    if (value instanceof Uint8Array) return base64url(value);
    if (value instanceof Map) return Object.fromEntries(value);
    return value;
  };
  const members = Object.entries(found).map(([name, value]) => [name, plain(value)] as const);
  return { ...Object.fromEntries(members), aaguid: formatAaguid(found.aaguid) };
}

function toFields(found: AuthenticatorInfo): [string, string][] {
  const show = (value: unknown): string => {
    if (Array.isArray(value)) return value.map(show).join(', ');
    if (typeof value === 'object' && value !== null && 'alg' in value) return algorithmName(Number(value.alg));
    if (typeof value === 'object' && value !== null) {
      return Object.entries(value)
        .map(([name, member]) => (member === true ? name : `${name}: ${String(member)}`))
        .join(', ');
    }
    return String(value);
  };
  return Object.entries(toJson(found))
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [name, show(value)]);
}
