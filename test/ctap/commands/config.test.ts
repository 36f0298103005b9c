// authenticatorConfig: who may configure the key, and what each setting does.

import { describe, expect, it } from 'vitest';
import type { Policy } from '../../../ctap/policy.ts';
import { Status } from '../../../ctap/status.ts';
import { Command, clientDataHash, enterpriseAttestation, Key } from '../../support/key.ts';
import { Permission, PinClient, protocols } from '../../support/pin-client.ts';
import * as platform from '../../support/platform.ts';

const pin = '1234';
const { acfg, cm } = Permission;
const Sub = { enableEnterpriseAttestation: 1, toggleAlwaysUv: 2, setMinPINLength: 3, enableLongTouch: 4 } as const;

function setting(client: PinClient) {
  return client.key.environment.vault.device;
}

async function info(client: PinClient): Promise<ReadonlyMap<platform.Key, platform.Value>> {
  return (await client.key.send(Command.getInfo)).members;
}

async function option(client: PinClient, name: string): Promise<platform.Value | undefined> {
  return ((await info(client)).get(4) as ReadonlyMap<string, platform.Value>).get(name);
}

function factoryKey(policy: Partial<Policy> = {}): PinClient {
  return new PinClient(new Key({ policy }));
}

/** setMinPINLength with the given parameters, with a token if there is a PIN. */
async function setMin(client: PinClient, params: Record<number, platform.Value>): Promise<number> {
  const members = new Map(Object.entries(params).map(([key, value]) => [Number(key), value] as const));
  const { forcePINChange, pin: isSet } = setting(client);
  const token = isSet && !forcePINChange ? await client.token(pin, acfg, undefined) : undefined;
  return client.config(Sub.setMinPINLength, members, token);
}

describe('authenticatorConfig', () => {
  it('CFG-01: knows no subcommand but its own', async () => {
    const { key } = factoryKey();
    expect((await key.send(0x0d)).status).toBe(Status.MISSING_PARAMETER);
    for (const subCommand of [0, 1, 5, 0xff]) {
      expect((await key.send(0x0d, new Map([[1, subCommand]]))).status).toBe(Status.INVALID_PARAMETER);
    }
  });

  for (const protocol of protocols) {
    it(`CFG-02: wants a token with acfg where a PIN is set, protocol ${protocol}`, async () => {
      const client = new PinClient(new Key(), protocol);
      await client.setPin(pin);
      const token = await client.token(pin, acfg, undefined);
      const message = Buffer.concat([Buffer.alloc(32, 0xff), Buffer.of(0x0d, 0x02)]);
      const proof = token.authenticate(message);
      const toggle = (members: Record<number, platform.Value>) =>
        client.key.send(0x0d, new Map(Object.entries({ 1: 2, ...members }).map(([k, v]) => [Number(k), v] as const)));
      expect((await toggle({})).status).toBe(Status.PUAT_REQUIRED);
      expect((await toggle({ 3: protocol })).status).toBe(Status.PUAT_REQUIRED);
      expect((await toggle({ 4: proof })).status).toBe(Status.MISSING_PARAMETER);
      expect((await toggle({ 3: 3, 4: proof })).status).toBe(Status.INVALID_PARAMETER);
      expect((await toggle({ 3: protocol, 4: Buffer.alloc(proof.length) })).status).toBe(Status.PIN_AUTH_INVALID);
      expect((await toggle({ 3: protocol, 4: proof.subarray(1) })).status).toBe(Status.PIN_AUTH_INVALID);
      expect((await toggle({ 1: 4, 3: protocol, 4: proof })).status).toBe(Status.PIN_AUTH_INVALID);
      expect(await option(client, 'alwaysUv')).toBe(false);
      expect((await toggle({ 3: protocol, 4: proof })).status).toBe(Status.OK);
      expect(await option(client, 'alwaysUv')).toBe(true);
      // Configuring spends nothing.
      expect((await toggle({ 3: protocol, 4: proof })).status).toBe(Status.OK);
      const other = await client.token(pin, cm, undefined);
      expect(await client.config(Sub.toggleAlwaysUv, undefined, other)).toBe(Status.PIN_AUTH_INVALID);
    });
  }

  it('covers subCommandParams as they were sent, unknown members included', async () => {
    const client = factoryKey();
    await client.setPin(pin);
    const token = await client.token(pin, acfg, undefined);
    const params = new Map<number, platform.Value>([
      [1, 6],
      [0x7f, 'unknown'],
    ]);
    expect(await client.config(Sub.setMinPINLength, params, token)).toBe(Status.OK);
    expect(setting(client).minPINLength).toBe(6);
  });

  it('CFG-02: wants no token in factory state', async () => {
    const client = factoryKey();
    expect(await client.config(Sub.toggleAlwaysUv)).toBe(Status.OK);
    expect(setting(client).alwaysUv).toBe(true);
  });

  it('AUV-01: toggles alwaysUv there and back', async () => {
    const client = factoryKey();
    await client.setPin(pin);
    const token = await client.token(pin, acfg, undefined);
    for (const expected of [true, false]) {
      expect(await client.config(Sub.toggleAlwaysUv, undefined, token)).toBe(Status.OK);
      expect([await option(client, 'alwaysUv'), await option(client, 'makeCredUvNotRqd')]).toEqual([
        expected,
        !expected,
      ]);
    }
  });

  it('AUV-02: under alwaysUv without PIN lets nothing be configured but alwaysUv itself', async () => {
    const client = factoryKey();
    await client.config(Sub.toggleAlwaysUv);
    expect(await client.config(Sub.enableLongTouch)).toBe(Status.PUAT_REQUIRED);
    expect(await client.config(Sub.setMinPINLength, new Map([[1, 6]]))).toBe(Status.PUAT_REQUIRED);
    expect(await client.config(Sub.toggleAlwaysUv)).toBe(Status.OK);
    expect(setting(client).alwaysUv).toBe(false);
  });

  it('alwaysUv switches U2F off: neither registers nor signs, and is not listed', async () => {
    const client = factoryKey();
    const { key } = client;
    const { credentialId } = await key.register();
    const application = platform.sha256('example.org');
    expect(await client.config(Sub.toggleAlwaysUv)).toBe(Status.OK);
    expect((await info(client)).get(1)).toEqual(['FIDO_2_0', 'FIDO_2_1', 'FIDO_2_3']);
    expect((await key.u2f(platform.registerApdu(clientDataHash, application))).word).toBe(0x6986);
    for (const control of [0x03, 0x07, 0x08]) {
      const apdu = platform.authenticateApdu(control, clientDataHash, application, credentialId);
      expect((await key.u2f(apdu)).word).toBe(0x6986);
    }
    expect((await key.u2f(platform.apdu(0x03, 0x00))).word).toBe(0x9000);
    await client.config(Sub.toggleAlwaysUv);
    expect((await info(client)).get(1)).toContain('U2F_V2');
    expect((await key.u2f(platform.authenticateApdu(0x07, clientDataHash, application, credentialId))).word).toBe(
      0x6985,
    );
  });

  it('EA-03: enables enterprise attestation only where there is a key for it', async () => {
    expect(await option(factoryKey(), 'ep')).toBeUndefined();
    const capable = new PinClient(new Key({ environment: { enterpriseAttestation } }));
    expect([await option(capable, 'ep'), (await info(capable)).get(0x1f)]).toEqual([false, [1, 2, 3, 4]]);
    for (let i = 0; i < 2; i++) expect(await capable.config(Sub.enableEnterpriseAttestation)).toBe(Status.OK);
    expect(await option(capable, 'ep')).toBe(true);
  });

  it('LTR-01: enables the long touch for resets, again and again; a reset ends it', async () => {
    const client = factoryKey();
    expect((await info(client)).get(0x18)).toBe(false);
    for (let i = 0; i < 2; i++) expect(await client.config(Sub.enableLongTouch)).toBe(Status.OK);
    expect((await info(client)).get(0x18)).toBe(true);
    await client.key.send(Command.reset);
    expect((await info(client)).get(0x18)).toBe(false);
  });
});

describe('setMinPINLength', () => {
  it('MPL-01: makes a PIN that is shorter change first', async () => {
    const client = factoryKey();
    await client.setPin(pin);
    expect(await setMin(client, { 1: 5 })).toBe(Status.OK);
    expect([(await info(client)).get(0x0d), (await info(client)).get(0x0c)]).toEqual([5, true]);
    expect(await client.changePin(pin, '9876')).toBe(Status.PIN_POLICY_VIOLATION);
    expect(await client.changePin(pin, '98765')).toBe(Status.OK);
    expect((await info(client)).get(0x0c)).toBe(false);
  });

  it('MPL-01: leaves a PIN alone that is long enough, by code points', async () => {
    const client = factoryKey();
    await client.setPin('€uro€');
    const token = await client.token('€uro€', acfg, undefined);
    expect(await client.config(Sub.setMinPINLength, new Map([[1, 5]]), token)).toBe(Status.OK);
    expect((await info(client)).get(0x0c)).toBe(false);
    expect(await client.config(Sub.setMinPINLength, new Map([[1, 6]]), token)).toBe(Status.OK);
    expect((await info(client)).get(0x0c)).toBe(true);
  });

  it('MPL-02: neither goes down nor above maxPINLength', async () => {
    const client = factoryKey();
    expect(await setMin(client, { 1: 6 })).toBe(Status.OK);
    for (const length of [0, 4, 5, 64, 1000]) {
      expect(await setMin(client, { 1: length })).toBe(Status.PIN_POLICY_VIOLATION);
    }
    expect(await setMin(client, { 1: 6 })).toBe(Status.OK);
    expect(await setMin(client, { 1: 63 })).toBe(Status.OK);
  });

  it('MPL-03: forces a change of PIN, and makes tokens void with it', async () => {
    const client = factoryKey();
    expect(await setMin(client, { 3: true })).toBe(Status.PIN_NOT_SET);
    await client.setPin(pin);
    const token = await client.token(pin, acfg, undefined);
    const force = new Map([[3, true]]);
    expect(await client.config(Sub.setMinPINLength, force, token)).toBe(Status.OK);
    expect((await info(client)).get(0x0c)).toBe(true);
    expect(await client.config(Sub.setMinPINLength, force, token)).toBe(Status.PIN_AUTH_INVALID);
  });

  it('MPL-04: keeps as many RP IDs as it says; an empty list changes nothing, one too many loses nothing', async () => {
    const client = factoryKey();
    const most = (await info(client)).get(0x10) as number;
    const names = (count: number) => Array.from({ length: count }, (_, i) => `${i}.example`);
    expect(await setMin(client, { 2: names(most) })).toBe(Status.OK);
    expect(setting(client).minPinLengthRPIDs).toEqual(names(most));
    expect(await setMin(client, { 1: 8, 2: names(most + 1) })).toBe(Status.KEY_STORE_FULL);
    expect(setting(client)).toMatchObject({ minPINLength: 4, minPinLengthRPIDs: names(most) });
    expect(await setMin(client, { 2: [] })).toBe(Status.OK);
    expect(setting(client).minPinLengthRPIDs).toEqual(names(most));
    expect(await setMin(client, { 2: ['new.example'] })).toBe(Status.OK);
    expect(setting(client).minPinLengthRPIDs).toEqual(['new.example']);
  });

  it('MPL-05: switches the policy against simple PINs on, for good', async () => {
    const client = factoryKey();
    expect((await info(client)).get(0x1b)).toBe(false);
    expect(await setMin(client, { 4: true })).toBe(Status.OK);
    expect(await setMin(client, { 4: false })).toBe(Status.OK);
    expect((await info(client)).get(0x1b)).toBe(true);
    expect(await client.setPin(pin)).toBe(Status.PIN_POLICY_VIOLATION);
  });

  it('takes absent parameters for no change', async () => {
    const client = factoryKey();
    expect(await client.config(Sub.setMinPINLength)).toBe(Status.OK);
    expect(setting(client)).toMatchObject({ minPINLength: 4, forcePINChange: false });
  });

  it('refuses parameters of the wrong type', async () => {
    const client = factoryKey();
    for (const params of [{ 1: 'six' }, { 2: 'example.org' }, { 2: [1] }, { 3: 1 }, { 4: 1 }]) {
      expect(await setMin(client, params)).toBe(Status.CBOR_UNEXPECTED_TYPE);
    }
  });
});
