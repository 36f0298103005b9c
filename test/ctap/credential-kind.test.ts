// Device-bound and synced credentials: the flags BE and BS, and the signature counter. WebAuthn §6.1.1, §6.1.3.

import { describe, expect, it } from 'vitest';
import { Authenticator } from '../../ctap/authenticator.ts';
import type { CredentialKind } from '../../ctap/env.ts';
import { descriptor, Key, map, rpId, verified } from '../support/key.ts';
import * as platform from '../support/platform.ts';

const [BE, BS] = [0x08, 0x10];

async function keyOf(kind: CredentialKind, policy = {}): Promise<Key> {
  const key = new Key({ policy });
  await key.environment.vault.update((tx) => tx.setDevice({ credentialKind: kind }));
  return key;
}

describe.each([true, false])('a credential with rk %s', (rk) => {
  const options = { 7: map({ rk }) };

  it('is device-bound unless somebody chose otherwise: neither BE nor BS, and a counter that rises', async () => {
    const key = new Key();
    const registration = await key.register(options);
    const list = { 3: [descriptor(registration.credentialId)] };
    const signIns = [await key.signIn([registration], list), await key.signIn([registration], list)];
    const all = [registration, ...signIns].map(({ data }) => data);
    expect(all.map(({ flags }) => flags & (BE | BS))).toEqual([0, 0, 0]);
    const counts = all.map(({ signCount }) => signCount);
    expect(counts).toEqual([...new Set(counts)].sort((a, b) => a - b));
    expect(counts[0]).toBeGreaterThan(0);
  });

  it('is synced in a vault made so: BE and BS, and a counter that stays 0', async () => {
    const key = await keyOf('synced');
    const registration = await key.register(options);
    const signIn = await key.signIn([registration], { 3: [descriptor(registration.credentialId)] });
    for (const { data } of [registration, signIn]) {
      expect(data.flags & (BE | BS)).toBe(BE | BS);
      expect(data.signCount).toBe(0);
    }
  });

  it('keeps its kind for life, whatever is chosen later', async () => {
    const key = await keyOf('synced');
    const registration = await key.register(options);
    await key.environment.vault.update((tx) => tx.setDevice({ credentialKind: 'device-bound' }));
    const later = new Authenticator(key.environment, { ...key.policy, credentialKind: 'device-bound' });
    const request = platform.request(
      2,
      new Map<number, platform.Value>([
        [1, rpId],
        [2, platform.sha256('client data')],
        [3, [descriptor(registration.credentialId)]],
      ]),
    );
    const response = platform.parseResponse(await later.cbor(request, key.context()));
    const { data } = verified(response, [registration]);
    expect([data.flags & (BE | BS), data.signCount]).toEqual([BE | BS, 0]);
  });
});

it.each<{ vault: CredentialKind; all?: CredentialKind; one?: CredentialKind; flags: number }>([
  { vault: 'device-bound', all: 'synced', flags: BE | BS },
  { vault: 'synced', all: 'device-bound', flags: 0 },
  { vault: 'synced', one: 'device-bound', flags: 0 },
  { vault: 'device-bound', all: 'device-bound', one: 'synced', flags: BE | BS },
])('asks the relying party first, then the configuration, then the vault: $vault, $all, $one', async (row) => {
  const credentialKindOf = new Map(row.one ? [[rpId, row.one] as const] : []);
  const key = await keyOf(row.vault, { credentialKind: row.all, credentialKindOf });
  expect((await key.register()).data.flags & (BE | BS)).toBe(row.flags);
});

it('is device-bound if U2F made it, which has no flags to say otherwise', async () => {
  const key = await keyOf('synced');
  const [challenge, application] = [platform.sha256('challenge'), platform.sha256(rpId)];
  const { data } = await key.u2f(platform.registerApdu(challenge, application));
  const { keyHandle, publicKey } = platform.verifyU2fRegistration(data, challenge, application);
  const answer = await key.u2f(platform.authenticateApdu(0x03, challenge, application, keyHandle));
  expect(platform.verifyU2fAuthentication(answer.data, challenge, application, publicKey).counter).toBeGreaterThan(0);
});

it('answers U2F with presence alone and a counter of 0 if it is synced', async () => {
  const key = await keyOf('synced');
  const { credentialId, publicKey } = await key.register();
  const [challenge, application] = [platform.sha256('challenge'), platform.sha256(rpId)];
  const { data } = await key.u2f(platform.authenticateApdu(0x03, challenge, application, credentialId));
  const answer = platform.verifyU2fAuthentication(data, challenge, application, publicKey);
  expect(answer).toEqual({ presence: 0x01, counter: 0 });
});
