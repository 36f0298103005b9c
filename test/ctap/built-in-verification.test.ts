// Built-in user verification, by a gate that can tell its owner: in makeCredential and getAssertion, and for tokens.

import { describe, expect, it } from 'vitest';
import { Status } from '../../ctap/status.ts';
import { asked, descriptor, Key, map, rpId } from '../support/key.ts';
import { Permission, PinClient, protocols, SubCommand } from '../support/pin-client.ts';
import type * as platform from '../support/platform.ts';

const pin = '1234';
const { mc, ga, acfg, pcmr } = Permission;
const upUv = 0x05;
const rk = map({ rk: true });
const [withUv, lookOnly] = [map({ uv: true }), map({ up: false })];

describe('built-in verification', () => {
  function verifyingKey(): { key: Key; client: PinClient } {
    const key = new Key();
    key.gate.canVerify = true;
    return { key, client: new PinClient(key) };
  }
  const uvRetries = async (client: PinClient) => (await client.send({ 2: SubCommand.getUVRetries })).members.get(5);

  it('GA-OPT-03: sets UV and UP with a single question', async () => {
    const { key } = verifyingKey();
    const registration = await key.register({ 7: map({ rk: true, uv: true }) });
    expect(registration.data.flags & upUv).toBe(upUv);
    expect((await key.signIn([registration], { 5: withUv })).data.flags).toBe(upUv);
    expect(asked(key)).toEqual(['register, verify', 'sign-in, verify']);
  });

  it('GA-OPT-03: is refused where the gate cannot', async () => {
    const key = new Key();
    expect((await key.makeCredential({ 7: withUv })).status).toBe(Status.INVALID_OPTION);
    expect((await key.getAssertion({ 5: withUv })).status).toBe(Status.INVALID_OPTION);
  });

  it('asks once when the credential turns out to be excluded', async () => {
    const { key } = verifyingKey();
    const { credentialId } = await key.register();
    key.gate.prompts.length = 0;
    const { status } = await key.makeCredential({ 5: [descriptor(credentialId)], 7: withUv });
    expect([status, asked(key)]).toEqual([Status.CREDENTIAL_EXCLUDED, ['register, verify']]);
  });

  it('wants verification for a discoverable credential, by PIN if one is set', async () => {
    const { key, client } = verifyingKey();
    expect((await key.makeCredential({ 7: rk })).status).toBe(Status.OPERATION_DENIED);
    await client.setPin(pin);
    expect((await key.makeCredential({ 7: rk })).status).toBe(Status.PUAT_REQUIRED);
  });

  for (const protocol of protocols) {
    it(`UV-02: gives a token of protocol ${protocol} that includes the touch, once`, async () => {
      const { key } = verifyingKey();
      const client = new PinClient(key, protocol);
      const { status, token } = await client.requestTokenUsingUv(mc | ga, { 10: rpId });
      expect(status).toBe(Status.OK);
      const registration = await key.register({ ...token.forMakeCredential, 7: rk });
      expect(registration.data.flags & upUv).toBe(upUv);
      expect(key.gate.prompts).toEqual([{ kind: 'verify', rpId, verify: true }]);
      expect((await key.getAssertion(token.forGetAssertion)).status).toBe(Status.PIN_AUTH_INVALID);
    });

    it(`UV-02: gives the persistent token, protocol ${protocol}`, async () => {
      const client = new PinClient(verifyingKey().key, protocol);
      const { status, token } = await client.requestTokenUsingUv(pcmr);
      expect([status, token.bytes.length]).toEqual([Status.OK, 32]);
    });

    it(`gives a token for configuration, protocol ${protocol}`, async () => {
      const client = new PinClient(verifyingKey().key, protocol);
      expect(await client.config(2)).toBe(Status.PUAT_REQUIRED);
      const { token } = await client.requestTokenUsingUv(acfg);
      expect(await client.config(2, undefined, token)).toBe(Status.OK);
    });
  }

  it('does not let an old touch stand for a new one', async () => {
    const { key, client } = verifyingKey();
    const registration = await key.register();
    const allowed = { 3: [descriptor(registration.credentialId)] };
    const { token } = await client.requestTokenUsingUv(ga, { 10: rpId });
    await key.signIn([registration], { ...allowed, ...token.forGetAssertion, 5: lookOnly });
    key.environment.clock.time += 30_000;
    key.gate.prompts.length = 0;
    await key.signIn([registration], { ...allowed, ...token.forGetAssertion });
    expect(asked(key)).toEqual(['sign-in']);
  });

  it('wants a permission that is there, and a good platform key, before it asks', async () => {
    const { key, client } = verifyingKey();
    for (const [permissions, changes, status] of [
      [0, {}, Status.INVALID_PARAMETER],
      [mc, {}, Status.INVALID_PARAMETER],
      [Permission.be, {}, Status.UNAUTHORIZED_PERMISSION],
      [pcmr | acfg, {}, Status.UNAUTHORIZED_PERMISSION],
      [acfg, { 9: undefined }, Status.MISSING_PARAMETER],
      [acfg, { 1: 3 }, Status.INVALID_PARAMETER],
      [acfg, { 3: new Map<platform.Key, platform.Value>() }, Status.CBOR_UNEXPECTED_TYPE],
    ] as const) {
      expect((await client.requestTokenUsingUv(permissions, changes)).status).toBe(status);
    }
    expect(key.gate.prompts).toEqual([]);
  });

  it('UV-03: counts failures one by one, until only the right PIN helps', async () => {
    const { key, client } = verifyingKey();
    await client.setPin(pin);
    expect(await uvRetries(client)).toBe(5);
    key.gate.isOwner = false;
    for (let left = 4; left >= 0; left--) {
      const { status } = await client.requestTokenUsingUv(acfg);
      expect(status).toBe(left > 0 ? Status.UV_INVALID : Status.UV_BLOCKED);
      expect(await uvRetries(client)).toBe(left);
    }
    key.gate.isOwner = true;
    key.gate.prompts.length = 0;
    expect((await client.requestTokenUsingUv(acfg)).status).toBe(Status.UV_BLOCKED);
    expect(key.gate.prompts).toEqual([]);
    await client.token(pin);
    expect(await uvRetries(client)).toBe(5);
    expect((await client.requestTokenUsingUv(acfg)).status).toBe(Status.OK);
  });

  it('UV-03: gives failures back after a success; a refusal or nobody there costs none', async () => {
    const { key, client } = verifyingKey();
    key.gate.isOwner = false;
    await client.requestTokenUsingUv(acfg);
    key.gate.isOwner = true;
    for (const [answer, status] of [
      ['declined', Status.OPERATION_DENIED],
      ['timed-out', Status.USER_ACTION_TIMEOUT],
      ['cancelled', Status.KEEPALIVE_CANCEL],
    ] as const) {
      key.gate.script = answer;
      expect((await client.requestTokenUsingUv(acfg)).status).toBe(status);
      expect(await uvRetries(client)).toBe(4);
    }
    key.gate.script = 'approved';
    expect((await client.requestTokenUsingUv(acfg)).status).toBe(Status.OK);
    expect(await uvRetries(client)).toBe(5);
  });

  it('is blocked together with the PIN', async () => {
    const { key, client } = verifyingKey();
    await client.setPin(pin);
    await key.environment.vault.update((tx) => tx.setDevice({ pinRetries: 0 }));
    expect((await client.requestTokenUsingUv(acfg)).status).toBe(Status.UV_BLOCKED);
    expect(await uvRetries(client)).toBe(0);
    expect(key.gate.prompts).toEqual([]);
  });

  for (const [command, options] of [
    ['makeCredential', 7],
    ['getAssertion', 5],
  ] as const) {
    it(`UV-04: a failing verification in ${command} falls back to the PIN, or ends`, async () => {
      const { key, client } = verifyingKey();
      const attempt = async () => (await key[command]({ [options]: withUv })).status;
      key.gate.script = 'timed-out';
      expect(await attempt()).toBe(Status.USER_ACTION_TIMEOUT);
      key.gate.script = 'declined';
      expect(await attempt()).toBe(Status.OPERATION_DENIED);
      key.gate.script = 'approved';
      key.gate.isOwner = false;
      key.gate.prompts.length = 0;
      // It tries again by itself while tries are left.
      expect(await attempt()).toBe(Status.PIN_BLOCKED);
      expect(key.gate.prompts).toHaveLength(5);
      expect(await attempt()).toBe(Status.PIN_BLOCKED);
      expect(key.gate.prompts).toHaveLength(5);
      await client.setPin(pin);
      expect(await attempt()).toBe(Status.PUAT_REQUIRED);
    });
  }
});
