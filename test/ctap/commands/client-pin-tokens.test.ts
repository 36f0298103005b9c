// pinUvAuthTokens under both protocols: how a platform gets them, what they permit, and when they end.

import { describe, expect, it } from 'vitest';
import { Status } from '../../../ctap/status.ts';
import { Command, descriptor, Key, map, rpId } from '../../support/key.ts';
import { Permission, PinClient, protocols, Token } from '../../support/pin-client.ts';
import type { Value } from '../../support/platform.ts';

const pin = '1234';
const { mc, ga, cm, be, lbw, acfg, pcmr } = Permission;

async function keyWithPin(protocol: 1 | 2): Promise<{ key: Key; client: PinClient }> {
  const key = new Key();
  const client = new PinClient(key, protocol);
  expect(await client.setPin(pin)).toBe(Status.OK);
  return { key, client };
}

for (const protocol of protocols) {
  describe(`tokens, protocol ${protocol}`, () => {
    it('PIN-TOK-01: gives a token for registrations and sign-ins at the first relying party', async () => {
      const { key, client } = await keyWithPin(protocol);
      const { credentialId } = await key.register();
      const { status, token, size } = await client.requestToken(pin);
      expect([status, size, token.bytes.length]).toEqual([Status.OK, protocol === 1 ? 32 : 48, 32]);
      const used = { ...token.forGetAssertion, 3: [descriptor(credentialId)], 5: map({ up: false }) };
      expect((await key.getAssertion(used)).status).toBe(Status.OK);
      const elsewhere = { ...token.forMakeCredential, 2: map({ id: 'other.example' }) };
      expect((await key.makeCredential(elsewhere)).status).toBe(Status.PIN_AUTH_INVALID);
      expect((await key.makeCredential(token.forMakeCredential)).status).toBe(Status.OK);
    });

    it('PIN-TOK-02: takes neither permissions nor an RP ID for getPinToken', async () => {
      const { client } = await keyWithPin(protocol);
      for (const scope of [{ 9: mc }, { 10: rpId }]) {
        expect((await client.requestToken(pin, { ...scope, 2: 5 })).status).toBe(Status.INVALID_PARAMETER);
      }
      expect(await client.retries()).toBe(8);
    });

    it('PIN-TOK-03: gives no token while the PIN must be changed, though it tells that it was right', async () => {
      const { key, client } = await keyWithPin(protocol);
      await key.environment.vault.update((tx) => tx.setDevice({ forcePINChange: true, pinRetries: 4 }));
      expect((await client.requestToken(pin)).status).toBe(Status.PIN_INVALID);
      expect(await client.retries()).toBe(8);
      expect((await client.requestToken(pin, { 9: cm })).status).toBe(Status.PIN_POLICY_VIOLATION);
      expect((await client.requestToken(pin, { 9: pcmr })).status).toBe(Status.PIN_POLICY_VIOLATION);
      await client.changePin(pin, 'another');
      expect((await client.requestToken('another')).status).toBe(Status.OK);
    });

    it('PIN-TOK-04: makes the tokens of all protocols void with a new one', async () => {
      const { key, client } = await keyWithPin(protocol);
      for (const other of protocols) {
        const old = await client.token(pin);
        await new PinClient(key, other).token(pin);
        expect((await key.makeCredential(old.forMakeCredential)).status).toBe(Status.PIN_AUTH_INVALID);
      }
    });

    it('takes no token under the other protocol', async () => {
      const { key, client } = await keyWithPin(protocol);
      const { bytes } = await client.token(pin);
      const other = protocol === 1 ? 2 : 1;
      const disguised = new Token(other, bytes);
      expect((await key.makeCredential(disguised.forMakeCredential)).status).toBe(Status.PIN_AUTH_INVALID);
    });

    it('PIN-TOK-05: lets a token end unused after 30 seconds', async () => {
      const { key, client } = await keyWithPin(protocol);
      const { credentialId } = await key.register();
      const token = await client.token(pin);
      key.environment.clock.time += 29_999;
      const look = { ...token.forGetAssertion, 3: [descriptor(credentialId)], 5: map({ up: false }) };
      expect((await key.getAssertion(look)).status).toBe(Status.OK);
      const unused = await client.token(pin);
      key.environment.clock.time += 30_000;
      expect((await key.makeCredential(unused.forMakeCredential)).status).toBe(Status.PIN_AUTH_INVALID);
    });

    it('PIN-TOK-05: lets a token end in use after ten minutes', async () => {
      const { key, client } = await keyWithPin(protocol);
      const { credentialId } = await key.register();
      const token = await client.token(pin, ga);
      const look = { ...token.forGetAssertion, 3: [descriptor(credentialId)], 5: map({ up: false }) };
      expect((await key.getAssertion(look)).status).toBe(Status.OK);
      key.environment.clock.time += 599_999;
      expect((await key.getAssertion(look)).status).toBe(Status.OK);
      key.environment.clock.time += 1;
      expect((await key.getAssertion(look)).status).toBe(Status.PIN_AUTH_INVALID);
    });

    it('lets no token outlive a power cycle or a reset', async () => {
      const { key, client } = await keyWithPin(protocol);
      const token = await client.token(pin);
      key.authenticator.powerCycle();
      expect((await key.makeCredential(token.forMakeCredential)).status).toBe(Status.PIN_AUTH_INVALID);
      const another = await client.token(pin);
      await key.send(Command.reset);
      await client.setPin(pin);
      expect((await key.makeCredential(another.forMakeCredential)).status).toBe(Status.PIN_AUTH_INVALID);
    });

    it('PIN-PRM-01: gives a token of permissions, bound to a relying party', async () => {
      const { key, client } = await keyWithPin(protocol);
      const first = await client.token(pin, mc | ga);
      const registration = await key.register({ ...first.forMakeCredential, 7: map({ rk: true }) });
      expect(registration.data.flags & 0x04).toBe(0x04);
      const second = await client.token(pin, ga);
      const { data } = await key.signIn([registration], second.forGetAssertion);
      expect(data.flags & 0x05).toBe(0x05);
      const elsewhere = await client.token(pin, mc | ga, 'other.example');
      expect((await key.makeCredential(elsewhere.forMakeCredential)).status).toBe(Status.PIN_AUTH_INVALID);
    });

    it('PIN-PRM-02: wants a permission, and with mc or ga an RP ID', async () => {
      const { client } = await keyWithPin(protocol);
      for (const scope of [{ 9: 0 }, { 9: mc }, { 9: ga | cm }]) {
        expect((await client.requestToken(pin, scope)).status).toBe(Status.INVALID_PARAMETER);
      }
      expect(await client.retries()).toBe(8);
    });

    it('PIN-PRM-03: gives no permission that it has not, and overlooks bits that nobody defined', async () => {
      const { client } = await keyWithPin(protocol);
      for (const permissions of [be, be | cm, pcmr | cm, pcmr | lbw]) {
        const { status } = await client.requestToken(pin, { 9: permissions });
        expect(status, String(permissions)).toBe(Status.UNAUTHORIZED_PERMISSION);
      }
      expect(await client.retries()).toBe(8);
      for (const permissions of [cm, lbw, acfg, cm | lbw | acfg, 0x80, 0x80 | pcmr, 2 ** 40 + cm]) {
        expect((await client.requestToken(pin, { 9: permissions })).status, String(permissions)).toBe(Status.OK);
      }
    });

    it('PIN-PRM-04: gives a persistent token that touches no other and outlives a power cycle', async () => {
      const { key, client } = await keyWithPin(protocol);
      const ordinary = await client.token(pin, acfg, undefined);
      const persistent = await client.token(pin, pcmr, undefined);
      expect(await client.config(0x04, undefined, ordinary)).toBe(Status.OK);
      key.authenticator.powerCycle();
      const again = await new PinClient(key, protocol === 1 ? 2 : 1).token(pin, pcmr, undefined);
      expect(again.bytes).toEqual(persistent.bytes);
      expect(persistent.bytes).toHaveLength(32);
    });

    it('PIN-CHG-04, RST-04: makes the persistent token void with the PIN and by a reset', async () => {
      const { key, client } = await keyWithPin(protocol);
      const count = async (token: Token) => {
        const proof = { 3: token.protocol, 4: token.authenticate(Buffer.of(0x01)) };
        const parameters = Object.entries({ 1: 0x01, ...proof }).map(([name, value]) => [Number(name), value] as const);
        return (await key.send(Command.credentialManagement, new Map<number, Value>(parameters))).status;
      };
      const first = await client.token(pin, pcmr, undefined);
      expect(await count(first)).toBe(Status.OK);
      await client.changePin(pin, 'another');
      expect(await count(first)).toBe(Status.PIN_AUTH_INVALID);
      const second = await client.token('another', pcmr, undefined);
      expect(await count(second)).toBe(Status.OK);
      await key.send(Command.reset);
      expect(await count(second)).toBe(Status.PIN_AUTH_INVALID);
      await client.setPin(pin);
      expect(await count(second)).toBe(Status.PIN_AUTH_INVALID);
      expect(await count(await client.token(pin, pcmr, undefined))).toBe(Status.OK);
    });

    it('PIN-PRM-05: lets no token of mc and ga configure the key', async () => {
      const { client } = await keyWithPin(protocol);
      const token = await client.token(pin, mc | ga);
      expect(await client.config(0x02, undefined, token)).toBe(Status.PIN_AUTH_INVALID);
    });

    it('spends a token also on a registration that did not show it, since the touch was one for all', async () => {
      const { key, client } = await keyWithPin(protocol);
      const token = await client.token(pin);
      await key.register();
      expect((await key.makeCredential(token.forMakeCredential)).status).toBe(Status.PIN_AUTH_INVALID);
    });

    it('PIN-PRM-06, MC-UV-05: spends every permission but lbw on a registration', async () => {
      const { key, client } = await keyWithPin(protocol);
      const token = await client.token(pin, mc | lbw | acfg);
      expect((await key.makeCredential(token.forMakeCredential)).status).toBe(Status.OK);
      expect((await key.makeCredential(token.forMakeCredential)).status).toBe(Status.PIN_AUTH_INVALID);
      expect(await client.config(0x02, undefined, token)).toBe(Status.PIN_AUTH_INVALID);
    });
  });
}
