// passfob info: what a key says of itself, ours or any other.

import type { Command } from 'commander';
import { algorithmName } from '../../ctap/cose.ts';
import { formatAaguid } from '../control/local-operations.ts';
import { base64url } from '../jwk.ts';
import type { AuthenticatorInfo } from '../platform/authenticator-info.ts';
import { type KeyFlags, keyOptions, withCtap } from './ctap-session.ts';
import { printFields, printJson } from './output.ts';

export function defineInfo(command: Command): void {
  keyOptions(command).option('--json', 'print JSON').action(info);
}

async function info(flags: KeyFlags & { json?: boolean }): Promise<void> {
  const found = await withCtap(flags, (ctap) => ctap.getInfo());
  if (flags.json) printJson(toJson(found));
  else printFields(toFields(found));
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
