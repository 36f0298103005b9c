// What authenticatorCredentialManagement shows, deletes and updates.

import { describe, expect, it } from 'vitest';
import { Status } from '../../../ctap/status.ts';
import {
  discoverable,
  hash,
  managed,
  newestId,
  pin,
  request,
  send,
  threeAccounts,
  tokenOf,
} from '../../support/credential-manager.ts';
import { type Changes, descriptor, Key, map, rpId, user } from '../../support/key.ts';
import { Permission, PinClient, type Token } from '../../support/pin-client.ts';
import * as platform from '../../support/platform.ts';

describe('credentialManagement', () => {
  for (const protocol of [1, 2] as const) {
    for (const [kind, permissions] of [
      ['cm', Permission.cm],
      ['persistent', Permission.pcmr],
    ] as const) {
      describe(`reads with a ${kind} token of protocol ${protocol}`, () => {
        const open = () => managed(threeAccounts, { permissions, protocol });

        it('how many discoverable credentials there are and how many may come (CM-01, CM-05)', async () => {
          const { key, token } = await open();
          expect(await send(key, request(0x01, token))).toEqual({ status: Status.OK, members: { 1: 3, 2: 999_997 } });
        });

        it('the relying parties one after the other (CM-02, CM-05)', async () => {
          const { key, token } = await open();
          const first = await send(key, request(0x02, token));
          const second = await send(key, request(0x03));
          expect([first.status, second.status]).toEqual([Status.OK, Status.OK]);
          expect([first.members[5], second.members[5]]).toEqual([2, undefined]);
          const found = [first, second].map(({ members: { 3: rp, 4: rpIDHash } }) => ({ rp, rpIDHash }));
          expect(found).toHaveLength(2);
          expect(found).toContainEqual({ rp: map({ id: rpId, name: 'Example' }), rpIDHash: hash(rpId) });
          expect(found).toContainEqual({
            rp: map({ id: 'other.example', name: 'Other' }),
            rpIDHash: hash('other.example'),
          });
          expect((await send(key, request(0x03))).status).toBe(Status.NOT_ALLOWED);
        });

        it('the credentials of one of them, newest first (CM-03, CM-05)', async () => {
          const { key, token } = await open();
          const first = await send(key, request(0x04, token, { 1: hash(rpId) }));
          const second = await send(key, request(0x05));
          expect([first.status, second.status]).toEqual([Status.OK, Status.OK]);
          const [bob, alice] = key.environment.vault.credentialsOf(platform.sha256(rpId));
          expect(first.members).toEqual({
            6: new Map(Object.entries({ id: new Uint8Array(Buffer.from('bob')), name: 'bob' })),
            7: descriptor(bob?.id ?? new Uint8Array()),
            8: expect.any(Map),
            9: 2,
            10: 3,
            11: bob?.largeBlobKey,
            12: false,
          });
          expect(second.members).toEqual({
            6: map({ id: new Uint8Array(Buffer.from('alice')), name: 'alice', displayName: 'Alice' }),
            7: descriptor(alice?.id ?? new Uint8Array()),
            8: expect.any(Map),
            10: 1,
            12: false,
          });
          expect((await send(key, request(0x05))).status).toBe(Status.NOT_ALLOWED);
        });
      });
    }
  }

  it('shows the public key as registered (CM-03)', async () => {
    let registration: platform.Registration | undefined;
    const { key, token } = await managed(async (fresh) => {
      registration = await fresh.register(discoverable);
    });
    const { members } = await send(key, request(0x04, token, { 1: hash(rpId) }));
    expect(members[8]).toEqual(registration?.data.attested?.coseKey);
    expect(members[7]).toEqual(descriptor(registration?.credentialId ?? new Uint8Array()));
  });

  it('shows thirdPartyPayment, unless that extension is switched off (CM-03)', async () => {
    for (const [extensions, expected] of [
      [undefined, true],
      [[], undefined],
    ] as const) {
      const key = new Key();
      await key.register({ ...discoverable, 6: map({ thirdPartyPayment: true }) });
      const client = new PinClient(key);
      await client.setPin(pin);
      if (extensions) Object.assign(key.policy, { extensions });
      const token = await tokenOf(client, Permission.cm);
      const { members } = await send(key, request(0x04, token, { 1: hash(rpId) }));
      expect(members[12]).toBe(expected);
    }
  });

  it('counts down to zero and not below (CM-01)', async () => {
    const key = new Key({ policy: { maxDiscoverableCredentials: 1 } });
    await key.register(discoverable);
    const client = new PinClient(key);
    await client.setPin(pin);
    const token = await tokenOf(client, Permission.cm);
    expect((await send(key, request(0x01, token))).members).toEqual({ 1: 1, 2: 0 });
  });

  it('answers the prototype command 0x41 in the same way', async () => {
    const { key, token } = await managed(threeAccounts);
    const first = await send(key, request(0x02, token), key.context(), 0x41);
    const second = await send(key, request(0x03), key.context(), 0x41);
    expect([first.members[5], second.status]).toEqual([2, Status.OK]);
  });

  it('asks nobody', async () => {
    const { key, token } = await managed(threeAccounts);
    key.gate.prompts.length = 0;
    await send(key, request(0x02, token));
    await send(key, request(0x06, token, { 2: descriptor(newestId(key)) }));
    expect(key.gate.prompts).toEqual([]);
  });

  describe('deletes', () => {
    it('a credential for good (CM-11)', async () => {
      const { key, token } = await managed(async (fresh) => {
        await fresh.register(discoverable);
        await fresh.register({ ...discoverable, 3: user('bob') });
      });
      const id = newestId(key);
      const before = key.environment.vault.device.credentialStoreState;
      expect(await send(key, request(0x06, token, { 2: descriptor(id) }))).toEqual({ status: Status.OK, members: {} });
      expect((await key.getAssertion({ 3: [descriptor(id)] })).status).toBe(Status.NO_CREDENTIALS);
      expect((await send(key, request(0x01, token))).members[1]).toBe(1);
      expect((await send(key, request(0x04, token, { 1: hash(rpId) }))).members[9]).toBe(1);
      expect(key.environment.vault.device.credentialStoreState).not.toEqual(before);
    });

    it('nothing if the vault fails', async () => {
      const { key, token } = await managed(threeAccounts);
      key.environment.vault.failure = new Error('disk full');
      expect((await send(key, request(0x06, token, { 2: descriptor(newestId(key)) }))).status).toBe(Status.OTHER);
      expect((await send(key, request(0x01, token))).members[1]).toBe(3);
    });
  });

  describe('updates the user', () => {
    const update = (key: Key, token: Token, names: Record<string, platform.Value>, id = 'alice') =>
      send(key, request(0x07, token, { 2: descriptor(newestId(key)), 3: user(id, names) }));

    it('with a new name, and without the displayName that is not given (CM-10)', async () => {
      const { key, token } = await managed((fresh) => fresh.register(discoverable));
      const [before] = key.environment.vault.credentialsOf(platform.sha256(rpId));
      const state = key.environment.vault.device.credentialStoreState;
      expect(await update(key, token, { name: 'alicia' })).toEqual({ status: Status.OK, members: {} });
      const [after] = key.environment.vault.credentialsOf(platform.sha256(rpId));
      expect(after).toEqual({ ...before, user: { id: before?.user.id, name: 'alicia' } });
      expect(key.environment.vault.device.credentialStoreState).not.toEqual(state);
    });

    it('without the names that are empty, and with the others cut to what is kept', async () => {
      const { key, token } = await managed((fresh) => fresh.register(discoverable));
      await update(key, token, { name: '', displayName: 'ä'.repeat(200) });
      const { members } = await send(key, request(0x04, token, { 1: hash(rpId) }));
      expect(members[6]).toEqual(map({ id: new Uint8Array(Buffer.from('alice')), displayName: 'ä'.repeat(128) }));
    });

    it('never with another user.id (CM-10)', async () => {
      const { key, token } = await managed((fresh) => fresh.register(discoverable));
      expect((await update(key, token, { name: 'mallory' }, 'mallory')).status).toBe(Status.INVALID_PARAMETER);
    });
  });

  describe('without credentials (CM-09)', () => {
    const unknown = descriptor(new Uint8Array(32));
    const foreignType = { 2: map({ id: new Uint8Array(32), type: 'password' }) };
    const expectations: [string, number, Changes | undefined, number][] = [
      ['lists no relying party', 0x02, undefined, Status.NO_CREDENTIALS],
      ['lists no credential', 0x04, { 1: hash(rpId) }, Status.NO_CREDENTIALS],
      ['lists nothing for what is no hash', 0x04, { 1: new Uint8Array(3) }, Status.NO_CREDENTIALS],
      ['deletes nothing', 0x06, { 2: unknown }, Status.NO_CREDENTIALS],
      ['deletes nothing that is no public key', 0x06, foreignType, Status.NO_CREDENTIALS],
      ['updates nothing', 0x07, { 2: unknown, 3: user('alice') }, Status.NO_CREDENTIALS],
    ];
    for (const [what, subCommand, params, status] of expectations) {
      it(what, async () => {
        const { key, token } = await managed();
        expect((await send(key, request(subCommand, token, params))).status).toBe(status);
      });
    }

    it('still counts them', async () => {
      const { key, token } = await managed();
      expect(await send(key, request(0x01, token))).toEqual({ status: Status.OK, members: { 1: 0, 2: 1_000_000 } });
    });

    it('finds none that are sealed in their id or come from U2F', async () => {
      const { key, token } = await managed(async (fresh) => {
        await fresh.register();
        await fresh.u2f(platform.registerApdu(new Uint8Array(32), platform.sha256(rpId)));
      });
      expect((await send(key, request(0x04, token, { 1: hash(rpId) }))).status).toBe(Status.NO_CREDENTIALS);
    });
  });

  it('signs the parameters as they came, with members that nobody knows', async () => {
    const { key, token } = await managed(threeAccounts);
    const list = request(0x04, token, { 1: hash(rpId), 9: 'unknown', 200: map({ x: [1, 2] }) });
    expect((await send(key, list)).status).toBe(Status.OK);
  });
});
