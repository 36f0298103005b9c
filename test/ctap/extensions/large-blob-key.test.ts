import { describe, expect, it } from 'vitest';
import { Status } from '../../../ctap/status.ts';
import { Command, descriptor, Key, map, user, verified } from '../../support/key.ts';

const discoverable = { 7: map({ rk: true }) };
const ask = map({ largeBlobKey: true });

describe('largeBlobKey', () => {
  it('is 32 bytes, other ones for each credential, and not in authenticator data (LBK-01)', async () => {
    const key = new Key();
    const first = await key.register({ ...discoverable, 6: ask });
    const second = await key.register({ ...discoverable, 3: user('bob'), 6: ask });
    expect(first.largeBlobKey).toHaveLength(32);
    expect(second.largeBlobKey).not.toEqual(first.largeBlobKey);
    expect([first.data.extensions, second.data.extensions]).toEqual([undefined, undefined]);
  });

  it('is told again by every assertion that asks, for each account its own (LBK-02)', async () => {
    const key = new Key();
    const registrations = [
      await key.register({ ...discoverable, 6: ask }),
      await key.register({ ...discoverable, 3: user('bob'), 6: ask }),
    ];
    const first = await key.signIn(registrations, { 4: ask, 5: map({ up: false }) });
    const next = verified(await key.send(Command.getNextAssertion), registrations);
    expect([next.largeBlobKey, first.largeBlobKey]).toEqual(registrations.map(({ largeBlobKey }) => largeBlobKey));
    expect([first.data.extensions, next.data.extensions]).toEqual([undefined, undefined]);
    expect((await key.signIn(registrations)).largeBlobKey).toBeUndefined();
  });

  it('is absent for a credential that has none (LBK-02)', async () => {
    const key = new Key();
    for (const options of [discoverable, {}]) {
      const registration = await key.register(options);
      const request = { 3: [descriptor(registration.credentialId)], 4: ask };
      expect((await key.signIn([registration], request)).largeBlobKey).toBeUndefined();
    }
  });

  it('is refused as false, and without rk, before anybody is asked (LBK-03)', async () => {
    const key = new Key();
    await key.register(discoverable);
    key.gate.prompts.length = 0;
    const no = map({ largeBlobKey: false });
    expect((await key.makeCredential({ ...discoverable, 6: no })).status).toBe(Status.INVALID_OPTION);
    expect((await key.makeCredential({ 6: ask })).status).toBe(Status.INVALID_OPTION);
    expect((await key.makeCredential({ 6: ask, 7: map({ rk: false }) })).status).toBe(Status.INVALID_OPTION);
    expect((await key.getAssertion({ 4: no })).status).toBe(Status.INVALID_OPTION);
    expect(key.gate.prompts).toEqual([]);
  });

  it('is refused as anything else than a boolean (LBK-04)', async () => {
    const key = new Key();
    await key.register(discoverable);
    for (const value of [1, 'true', new Uint8Array(32), null, map({})]) {
      const other = map({ largeBlobKey: value });
      expect((await key.makeCredential({ ...discoverable, 6: other })).status).toBe(Status.CBOR_UNEXPECTED_TYPE);
      expect((await key.getAssertion({ 4: other })).status).toBe(Status.CBOR_UNEXPECTED_TYPE);
    }
  });

  it('changes when the account is registered anew', async () => {
    const key = new Key();
    const old = await key.register({ ...discoverable, 6: ask });
    const renewed = await key.register({ ...discoverable, 6: ask });
    expect(renewed.largeBlobKey).not.toEqual(old.largeBlobKey);
  });
});
