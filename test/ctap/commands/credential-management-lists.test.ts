// How authenticatorCredentialManagement goes on with a list that was begun, and what ends one.

import { describe, expect, it } from 'vitest';
import { Status } from '../../../ctap/status.ts';
import {
  hash,
  managed,
  newestId,
  pin,
  request,
  send,
  threeAccounts,
  tokenOf,
} from '../../support/credential-manager.ts';
import { Command, descriptor, type Key, rpId, user } from '../../support/key.ts';
import { Permission, type PinClient, type Token } from '../../support/pin-client.ts';

describe('credentialManagement', () => {
  describe('goes on with a list', () => {
    it('only after it was begun, and with its own subcommand (CM-04)', async () => {
      const { key, token } = await managed(threeAccounts);
      for (const next of [0x03, 0x05]) expect((await send(key, request(next))).status).toBe(Status.NOT_ALLOWED);
      await send(key, request(0x02, token));
      expect((await send(key, request(0x05))).status).toBe(Status.NOT_ALLOWED);
    });

    it('while another goes on, each at its own pace (CM-04)', async () => {
      const { key, token } = await managed(threeAccounts);
      const relyingParty = await send(key, request(0x02, token));
      expect(relyingParty.members[5]).toBe(2);
      const credential = await send(key, request(0x04, token, { 1: hash(rpId) }));
      expect(credential.members[9]).toBe(2);
      const [otherRelyingParty, otherCredential] = [await send(key, request(0x03)), await send(key, request(0x05))];
      expect([otherRelyingParty.status, otherCredential.status]).toEqual([Status.OK, Status.OK]);
      expect(otherRelyingParty.members[4]).not.toEqual(relyingParty.members[4]);
      expect(otherCredential.members[7]).not.toEqual(credential.members[7]);
      for (const next of [0x03, 0x05]) expect((await send(key, request(next))).status).toBe(Status.NOT_ALLOWED);
    });

    it('from its start if it is begun again (CM-04)', async () => {
      const { key, token } = await managed(threeAccounts);
      const first = await send(key, request(0x02, token));
      await send(key, request(0x03));
      expect(await send(key, request(0x02, token))).toEqual(first);
      expect((await send(key, request(0x03))).status).toBe(Status.OK);
    });

    const harmless: [string, (key: Key, token: Token) => Promise<unknown>][] = [
      ['another command', (key) => key.send(Command.getInfo)],
      ['a U2F command', (key) => key.u2f(Buffer.of(0, 3, 0, 0, 0, 0, 0))],
      ['another subcommand', (key, token) => send(key, request(0x01, token))],
      ['a subcommand that fails', (key) => send(key, request(0x7f))],
      ['a deletion that fails', (key, token) => send(key, request(0x06, token, { 2: descriptor(new Uint8Array(32)) }))],
    ];
    for (const [what, interlude] of harmless) {
      it(`after ${what} (CM-04)`, async () => {
        const { key, token } = await managed(threeAccounts);
        await send(key, request(0x02, token));
        await interlude(key, token);
        expect((await send(key, request(0x03))).status).toBe(Status.OK);
      });
    }

    const first = (key: Key) => ({ 2: descriptor(newestId(key)) });
    const interruptions: [string, (key: Key, token: Token, client: PinClient) => unknown][] = [
      ['a deletion', (key, token) => send(key, request(0x06, token, first(key)))],
      ['an update', (key, token) => send(key, request(0x07, token, { ...first(key), 3: user('bob') }))],
      ['31 seconds', (key) => (key.environment.clock.time += 30_001)],
      ['a new token', (_key, _token, client) => tokenOf(client, Permission.cm)],
      ['a touch that spends the token', (key) => key.register()],
      ['a new PIN', (_key, _token, client) => client.changePin(pin, 'another')],
      ['a power cycle', (key) => key.authenticator.powerCycle()],
      ['another channel', (key) => send(key, request(0x03), key.context(2))],
    ];
    for (const [what, interrupt] of interruptions) {
      it(`not after ${what} (CM-04)`, async () => {
        const { key, client, token } = await managed(threeAccounts);
        await send(key, request(0x02, token));
        await interrupt(key, token, client);
        expect((await send(key, request(0x03))).status).toBe(Status.NOT_ALLOWED);
      });
    }

    for (const [what, end] of [
      ['a new PIN', (_key, client) => client.changePin(pin, 'another')],
      ['a reset', (key) => key.send(Command.reset)],
    ] as [string, (key: Key, client: PinClient) => Promise<unknown>][]) {
      it(`not after ${what} that makes the persistent token void (CM-04)`, async () => {
        const { key, client, token } = await managed(threeAccounts, { permissions: Permission.pcmr });
        await send(key, request(0x02, token));
        await end(key, client);
        expect((await send(key, request(0x03))).status).toBe(Status.NOT_ALLOWED);
      });
    }

    it('not on another channel (CM-04)', async () => {
      const { key, token } = await managed(threeAccounts);
      await send(key, request(0x02, token));
      expect((await send(key, request(0x03), key.context(2))).status).toBe(Status.NOT_ALLOWED);
    });

    it('for as long as each step follows within 30 seconds', async () => {
      const { key, token } = await managed(threeAccounts, { permissions: Permission.pcmr });
      await send(key, request(0x02, token));
      key.environment.clock.time += 30_000;
      expect((await send(key, request(0x03))).status).toBe(Status.OK);
    });

    it('not when the token has expired that began it', async () => {
      const { key, token } = await managed(threeAccounts);
      key.environment.clock.time += 20_000;
      expect((await send(key, request(0x01, token))).status).toBe(Status.OK);
      key.environment.clock.time += 570_000;
      expect((await send(key, request(0x02, token))).status).toBe(Status.OK);
      key.environment.clock.time += 20_000;
      expect((await send(key, request(0x03))).status).toBe(Status.NOT_ALLOWED);
    });
  });
});
