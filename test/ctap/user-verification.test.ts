// User verification in makeCredential and getAssertion: tokens of both protocols, alwaysUv, names of accounts.

import { describe, expect, it } from 'vitest';
import { Status } from '../../ctap/status.ts';
import { asked, type Changes, Command, clientDataHash, descriptor, Key, map, user, verified } from '../support/key.ts';
import { Permission, PinClient, protocols, SubCommand } from '../support/pin-client.ts';
import * as platform from '../support/platform.ts';

const pin = '1234';
const { mc, ga, acfg } = Permission;
const upUv = 0x05;
const rk = map({ rk: true });
const lookOnly = map({ up: false });

async function keyWithPin(protocol: 1 | 2 = 2): Promise<{ key: Key; client: PinClient }> {
  const key = new Key();
  const client = new PinClient(key, protocol);
  expect(await client.setPin(pin)).toBe(Status.OK);
  return { key, client };
}

async function alwaysUv(key: Key): Promise<void> {
  await key.environment.vault.update((tx) => tx.setDevice({ alwaysUv: true }));
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
