// A client of authenticatorCredentialManagement: its requests, signed by a token, and keys with a PIN and some
// credentials to manage.

import { expect } from 'vitest';
import { Status } from '../../ctap/status.ts';
import { type Changes, Command, Key, map, rpId, user } from './key.ts';
import { Permission, PinClient, type Token } from './pin-client.ts';
import * as platform from './platform.ts';

type Members = Record<number, platform.Value>;

export const pin = '1234';
export const discoverable = { 7: map({ rk: true }) };
const otherRp = { 2: map({ id: 'other.example', name: 'Other' }) };

function numbered(members: Changes): platform.Value {
  const given = Object.entries(members).filter((entry): entry is [string, platform.Value] => entry[1] !== undefined);
  return new Map(given.map(([key, value]) => [Number(key), value]));
}

/** A subcommand with parameters, signed by a token. CTAP 2.1 §6.8. */
export function request(subCommand: number, token?: Token, params?: Changes): Changes {
  const subCommandParams = params && numbered(params);
  const encoded = subCommandParams === undefined ? new Uint8Array() : platform.encode(subCommandParams);
  return {
    1: subCommand,
    2: subCommandParams,
    3: token?.protocol,
    4: token?.authenticate(Buffer.concat([Buffer.of(subCommand), encoded])),
  };
}

export async function send(
  key: Key,
  changes: Changes,
  context = key.context(),
  command: number = Command.credentialManagement,
) {
  const { status, members } = await key.send(command, numbered(changes), context);
  return { status, members: Object.fromEntries(members) as Members };
}

/** A token that is bound to a relying party only if one is named. */
export async function tokenOf(client: PinClient, permissions: number, bound?: string): Promise<Token> {
  const { status, token } = await client.requestToken(pin, { 9: permissions, 10: bound });
  expect(status).toBe(Status.OK);
  return token;
}

/** A key with a PIN, whatever `fill` registers before, and a token. */
export async function managed(
  fill: (key: Key) => Promise<unknown> = async () => {},
  { permissions = Permission.cm as number, bound = undefined as string | undefined, protocol = 2 as 1 | 2 } = {},
) {
  const key = new Key();
  await fill(key);
  const client = new PinClient(key, protocol);
  await client.setPin(pin);
  return { key, client, token: await tokenOf(client, permissions, bound) };
}

export async function threeAccounts(key: Key): Promise<void> {
  await key.register({ ...discoverable, 3: user('alice', { name: 'alice', displayName: 'Alice' }) });
  await key.register({ ...discoverable, 3: user('bob'), 6: map({ largeBlobKey: true, credProtect: 3 }) });
  await key.register({ ...discoverable, ...otherRp });
  await key.register({ ...otherRp, 3: user('sealed') });
}

export const hash = (rp: string) => new Uint8Array(platform.sha256(rp));

/** The id of the newest credential of the usual relying party. */
export const newestId = (key: Key) =>
  key.environment.vault.credentialsOf(platform.sha256(rpId))[0]?.id ?? new Uint8Array();
