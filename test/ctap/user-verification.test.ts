// User verification in makeCredential and getAssertion: tokens of both protocols, built-in verification, alwaysUv.

import { describe, expect, it } from 'vitest';
import { Status } from '../../ctap/status.ts';
import { type Changes, Command, clientDataHash, descriptor, Key, map, rpId, user, verified } from '../support/key.ts';
import { Permission, PinClient, protocols, SubCommand } from '../support/pin-client.ts';
import * as platform from '../support/platform.ts';

const pin = '1234';
const { mc, ga, acfg, pcmr } = Permission;
const upUv = 0x05;
const rk = map({ rk: true });
const [withUv, lookOnly] = [map({ uv: true }), map({ up: false })];

async function keyWithPin(protocol: 1 | 2 = 2): Promise<{ key: Key; client: PinClient }> {
  const key = new Key();
  const client = new PinClient(key, protocol);
  expect(await client.setPin(pin)).toBe(Status.OK);
  return { key, client };
}

async function alwaysUv(key: Key): Promise<void> {
  await key.environment.vault.update((tx) => tx.setDevice({ alwaysUv: true }));
}

function asked(key: Key): string[] {
  return key.gate.prompts.map(({ kind, verify }) => (verify ? `${kind}, verify` : kind));
}

for (const [command, param, protocolMember] of [
  ['makeCredential', 8, 9],
  ['getAssertion', 6, 7],
] as const) {
  it(`MC-UV-01: ${command} with a zero-length pinUvAuthParam only asks for a touch`, async () => {
    const key = new Key();
    const probe = { [param]: new Uint8Array(0) };
    expect((await key[command](probe)).status).toBe(Status.PIN_NOT_SET);
    await new PinClient(key).setPin(pin);
    expect((await key[command](probe)).status).toBe(Status.PIN_INVALID);
    expect(asked(key)).toEqual(['select', 'select']);
    for (const answer of ['declined', 'timed-out'] as const) {
      key.gate.script = answer;
      expect((await key[command](probe)).status).toBe(Status.OPERATION_DENIED);
    }
  });

  it(`MC-UV-02: ${command} wants a pinUvAuthProtocol that is known`, async () => {
    const { key, client } = await keyWithPin();
    const proof = (await client.token(pin)).authenticate(clientDataHash);
    expect((await key[command]({ [param]: proof })).status).toBe(Status.MISSING_PARAMETER);
    for (const unknown of [0, 3]) {
      const { status } = await key[command]({ [param]: proof, [protocolMember]: unknown });
      expect(status).toBe(Status.INVALID_PARAMETER);
    }
    expect(key.gate.prompts).toEqual([]);
  });
}

for (const protocol of protocols) {
  describe(`makeCredential with tokens of protocol ${protocol}`, () => {
    it('MC-UV-03: refuses a wrong or short MAC, other permissions, another RP, a stale token; without asking', async () => {
      const { key, client } = await keyWithPin(protocol);
      const stale = await client.token(pin, mc);
      const token = await client.token(pin, mc);
      const proof = token.authenticate(clientDataHash);
      const attempts: Changes[] = [
        { 8: proof.with(0, (proof[0] ?? 0) ^ 1), 9: protocol },
        { 8: proof.subarray(1), 9: protocol },
        { ...token.forMakeCredential, 1: platform.sha256('other data') },
        { ...token.forMakeCredential, 2: map({ id: 'other.example' }) },
        stale.forMakeCredential,
      ];
      for (const changes of attempts) {
        expect((await key.makeCredential(changes)).status).toBe(Status.PIN_AUTH_INVALID);
      }
      const other = await client.token(pin, ga | acfg);
      expect((await key.makeCredential(other.forMakeCredential)).status).toBe(Status.PIN_AUTH_INVALID);
      expect(key.gate.prompts).toEqual([]);
    });

    for (const permissions of [undefined, mc]) {
      for (const options of [undefined, rk, map({ uv: true, rk: true })]) {
        const how = `${permissions === undefined ? 'getPinToken' : '0x09'}, options ${options ? [...options.keys()] : ''}`;
        it(`MC-UV-04: sets UP and UV for a valid token of ${how}`, async () => {
          const { key, client } = await keyWithPin(protocol);
          const token = await client.token(pin, permissions);
          const { data } = await key.register({ ...token.forMakeCredential, 7: options });
          expect(data.flags & upUv).toBe(upUv);
          expect(asked(key)).toEqual(['register']);
        });
      }
    }
  });

  describe(`getAssertion with tokens of protocol ${protocol}`, () => {
    it('GA-UV-01: refuses a wrong MAC, other permissions, another RP, a token that was spent', async () => {
      const { key, client } = await keyWithPin(protocol);
      const registration = await key.register();
      const allowed = { 3: [descriptor(registration.credentialId)] };
      key.gate.prompts.length = 0;
      const token = await client.token(pin, ga);
      const proof = token.authenticate(clientDataHash);
      const attempts: Changes[] = [
        { 6: proof.with(0, (proof[0] ?? 0) ^ 1), 7: protocol },
        { 6: proof.subarray(1), 7: protocol },
        { ...token.forGetAssertion, 1: 'other.example' },
      ];
      for (const changes of attempts) {
        expect((await key.getAssertion({ ...allowed, ...changes })).status).toBe(Status.PIN_AUTH_INVALID);
      }
      expect(key.gate.prompts).toEqual([]);
      await key.signIn([registration], { ...allowed, ...token.forGetAssertion });
      const again = await key.getAssertion({ ...allowed, ...token.forGetAssertion });
      expect(again.status).toBe(Status.PIN_AUTH_INVALID);
      const other = await client.token(pin, mc | acfg);
      expect((await key.getAssertion({ ...allowed, ...other.forGetAssertion })).status).toBe(Status.PIN_AUTH_INVALID);
    });

    for (const permissions of [undefined, ga]) {
      it(`GA-UV-02: sets UP and UV for a valid token of ${permissions ? '0x09' : 'getPinToken'}`, async () => {
        const { key, client } = await keyWithPin(protocol);
        const registration = await key.register();
        const token = await client.token(pin, permissions);
        const allowed = { ...token.forGetAssertion, 3: [descriptor(registration.credentialId)] };
        expect((await key.signIn([registration], allowed)).data.flags).toBe(upUv);
      });
    }

    it('GA-OPT-02: asks nobody with up: false, and leaves the token its permissions', async () => {
      const { key, client } = await keyWithPin(protocol);
      const registration = await key.register();
      key.gate.prompts.length = 0;
      const token = await client.token(pin, ga);
      const allowed = { ...token.forGetAssertion, 3: [descriptor(registration.credentialId)] };
      for (let i = 0; i < 2; i++) {
        expect((await key.signIn([registration], { ...allowed, 5: lookOnly })).data.flags).toBe(0x04);
      }
      expect(key.gate.prompts).toEqual([]);
      expect((await key.signIn([registration], allowed)).data.flags).toBe(upUv);
    });
  });
}

describe('with a PIN and no token', () => {
  it('MC-UV-06: registers without UV what is not discoverable, and nothing else', async () => {
    const { key } = await keyWithPin();
    expect((await key.makeCredential({ 7: rk })).status).toBe(Status.PUAT_REQUIRED);
    expect(key.gate.prompts).toEqual([]);
    expect((await key.register()).data.flags & upUv).toBe(0x01);
  });

  it('GA-UV-03: signs in without UV', async () => {
    const { key } = await keyWithPin();
    const registration = await key.register();
    const { data } = await key.signIn([registration], { 3: [descriptor(registration.credentialId)] });
    expect(data.flags).toBe(0x01);
  });

  it('MC-UV-10: asks for every request anew', async () => {
    const { key } = await keyWithPin();
    await key.register();
    await key.register();
    expect(asked(key)).toEqual(['register', 'register']);
  });
});

describe('alwaysUv', () => {
  it('MC-UV-07: registers only with a token, be a PIN set or not', async () => {
    const key = new Key();
    await alwaysUv(key);
    expect((await key.makeCredential()).status).toBe(Status.PUAT_REQUIRED);
    const forged = { 8: new Uint8Array(32), 9: 2 };
    expect((await key.makeCredential(forged)).status).toBe(Status.PUAT_REQUIRED);
    const client = new PinClient(key);
    await client.setPin(pin);
    expect((await key.makeCredential()).status).toBe(Status.PUAT_REQUIRED);
    expect(key.gate.prompts).toEqual([]);
    const token = await client.token(pin, mc);
    expect((await key.register(token.forMakeCredential)).data.flags & upUv).toBe(upUv);
  });

  it('GA-OPT-05: signs in only with a token, but lets a platform look', async () => {
    const { key, client } = await keyWithPin();
    const registration = await key.register();
    const allowed = { 3: [descriptor(registration.credentialId)] };
    await alwaysUv(key);
    expect((await key.getAssertion(allowed)).status).toBe(Status.PUAT_REQUIRED);
    expect((await key.signIn([registration], { ...allowed, 5: lookOnly })).data.flags).toBe(0x00);
    const token = await client.token(pin, ga);
    expect((await key.signIn([registration], { ...allowed, ...token.forGetAssertion })).data.flags).toBe(upUv);
  });

  it('verifies by itself where the gate can, without being asked for it', async () => {
    const key = new Key();
    key.gate.canVerify = true;
    await alwaysUv(key);
    const registration = await key.register({ 7: rk });
    expect((await key.signIn([registration])).data.flags).toBe(upUv);
    expect(asked(key)).toEqual(['register, verify', 'sign-in, verify']);
  });
});

describe('names of accounts', () => {
  async function keyWithAccounts(names: string[]) {
    const { key, client } = await keyWithPin();
    const registrations: platform.Registration[] = [];
    for (const name of names) {
      const token = await client.token(pin, mc);
      registrations.push(
        await key.register({ ...token.forMakeCredential, 3: user(name, { name, displayName: `${name}!` }), 7: rk }),
      );
    }
    return { key, client, registrations };
  }
  const names = (assertion: platform.Assertion) => Object.fromEntries(assertion.user ?? []);

  it('are told of several accounts to whoever was verified, by getNextAssertion too', async () => {
    const { key, client, registrations } = await keyWithAccounts(['alice', 'bob']);
    const token = await client.token(pin, ga);
    const first = await key.signIn(registrations, token.forGetAssertion);
    expect(names(first)).toMatchObject({ name: 'bob', displayName: 'bob!' });
    const second = verified(await key.send(Command.getNextAssertion), registrations);
    expect(names(second)).toMatchObject({ name: 'alice', displayName: 'alice!' });
    expect(second.data.flags).toBe(upUv);
  });

  it('are told to nobody else', async () => {
    const { key, registrations } = await keyWithAccounts(['alice', 'bob']);
    expect(Object.keys(names(await key.signIn(registrations)))).toEqual(['id']);
    const next = verified(await key.send(Command.getNextAssertion), registrations);
    expect(Object.keys(names(next))).toEqual(['id']);
  });

  it('are not needed where there is one account', async () => {
    const { key, client, registrations } = await keyWithAccounts(['alice']);
    const token = await client.token(pin, ga);
    expect(Object.keys(names(await key.signIn(registrations, token.forGetAssertion)))).toEqual(['id']);
  });
});

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

it('RST-04: a reset leaves no PIN, no token, no setting', async () => {
  const { key, client } = await keyWithPin();
  const token = await client.token(pin, acfg, undefined);
  await client.config(4, undefined, token);
  await client.config(
    3,
    new Map<number, platform.Value>([
      [1, 6],
      [2, ['example.org']],
      [4, true],
    ]),
    token,
  );
  await alwaysUv(key);
  const agreement = await client.send({ 1: 2, 2: SubCommand.getKeyAgreement });
  expect((await key.send(Command.reset)).status).toBe(Status.OK);
  expect(key.environment.vault.device).toMatchObject({
    ...{ pin: null, pinRetries: 8, uvRetries: 5, forcePINChange: false, minPINLength: 4, minPinLengthRPIDs: [] },
    ...{ pinComplexityPolicy: false, alwaysUv: false, longTouchForReset: false, persistentPinUvAuthToken: null },
  });
  expect(await client.send({ 1: 2, 2: SubCommand.getKeyAgreement })).not.toEqual(agreement);
});
