// Discoverable credentials over several commands: made, found, replaced, counted, kept.

import { describe, expect, it } from 'vitest';
import { Status } from '../../ctap/status.ts';
import { Command, descriptor, Key, map, user } from '../support/key.ts';
import { Permission, PinClient } from '../support/pin-client.ts';

const discoverable = { 7: map({ rk: true }) };

describe('discoverable credentials', () => {
  it('are found without an allowList, with the user.id, and not counted when there is one (RK-01)', async () => {
    const key = new Key();
    const registration = await key.register(discoverable);
    const assertion = await key.signIn([registration]);
    expect(assertion.user?.get('id')).toEqual(new Uint8Array(Buffer.from('alice')));
    expect(assertion.numberOfCredentials).toBeUndefined();
  });

  it('replace the one of the same account, with a new id and key (RK-02)', async () => {
    const key = new Key();
    const [old, renewed] = [await key.register(discoverable), await key.register(discoverable)];
    expect(renewed.credentialId).not.toEqual(old.credentialId);
    expect(renewed.data.attested?.coseKey).not.toEqual(old.data.attested?.coseKey);
    const { status } = await key.getAssertion({ 3: [descriptor(old.credentialId)] });
    expect(status).toBe(Status.NO_CREDENTIALS);
    expect(key.environment.vault.credentialCount()).toBe(1);
  });

  it('stay beside those of other accounts and other sites (RK-03)', async () => {
    const key = new Key();
    const registrations = [
      await key.register(discoverable),
      await key.register({ ...discoverable, 3: user('bob') }),
      await key.register({ ...discoverable, 2: map({ id: 'other.example' }) }),
    ];
    expect((await key.signIn(registrations)).numberOfCredentials).toBe(2);
    expect((await key.signIn(registrations, { 1: 'other.example' })).credentialId).toEqual(
      registrations[2]?.credentialId,
    );
  });

  it('renew the state of the credential store, and others do not (RK-04)', async () => {
    const key = new Key();
    const state = () => key.environment.vault.device.credentialStoreState;
    const before = state();
    await key.register();
    expect(state()).toEqual(before);
    await key.register(discoverable);
    expect(state()).not.toEqual(before);
  });

  it('outlive a restart, as PIN and large blobs do (RK-05)', async () => {
    const key = new Key();
    const registration = await key.register(discoverable);
    await new PinClient(key).setPin('1234');
    const before = await key.signIn([registration]);
    key.authenticator.powerCycle();
    const after = await key.signIn([registration]);
    expect(after.data.signCount).toBeGreaterThan(before.data.signCount);
    await new PinClient(key).token('1234', Permission.cm);
  });

  it('are refused where there is no room, after authorization and a touch, and store nothing (MC-OPT-06)', async () => {
    const key = new Key({ policy: { maxDiscoverableCredentials: 2 } });
    const registrations = [await key.register(discoverable), await key.register({ ...discoverable, 3: user('bob') })];
    expect((await key.send(Command.getInfo)).members.get(0x14)).toBe(0);
    const carol = { ...discoverable, 3: user('carol') };
    key.gate.prompts.length = 0;
    expect((await key.makeCredential(carol)).status).toBe(Status.KEY_STORE_FULL);
    expect(key.gate.prompts).toHaveLength(1);
    await new PinClient(key).setPin('1234');
    expect((await key.makeCredential(carol)).status).toBe(Status.PUAT_REQUIRED);
    expect(key.environment.vault.credentialCount()).toBe(2);
    // What replaces needs no room; what is sealed in its id neither.
    const token = await new PinClient(key).token('1234', Permission.mc);
    expect((await key.makeCredential({ ...discoverable, ...token.forMakeCredential })).status).toBe(Status.OK);
    expect((await key.makeCredential({ 3: user('carol') })).status).toBe(Status.OK);
    expect(
      (
        await key.signIn(registrations.slice(1), {
          3: registrations.map(({ credentialId }) => descriptor(credentialId)),
        })
      ).credentialId,
    ).toEqual(registrations[1]?.credentialId);
  });

  it('are not what a request without rk makes (MC-OPT-04)', async () => {
    const key = new Key();
    for (const options of [{}, { 7: map({ rk: false }) }]) {
      await key.register(options);
      expect((await key.getAssertion()).status).toBe(Status.NO_CREDENTIALS);
    }
    expect(key.environment.vault.relyingParties()).toEqual([]);
  });
});
