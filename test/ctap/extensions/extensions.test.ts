// What the extensions have in common, and those that are only a few lines: minPinLength, pinComplexityPolicy,
// thirdPartyPayment.

import { describe, expect, it } from 'vitest';
import { Status } from '../../../ctap/status.ts';
import { type Changes, Command, descriptor, Key, map, rpId, user, verified } from '../../support/key.ts';
import type { Value } from '../../support/platform.ts';

const discoverable = { 7: map({ rk: true }) };

describe('extensions', () => {
  it('answer in the canonical order, whatever the order of the request', async () => {
    const key = new Key();
    await key.environment.vault.update((tx) => tx.setDevice({ minPinLengthRPIDs: [rpId] }));
    const names = ['pinComplexityPolicy', 'minPinLength', 'hmac-secret'];
    const all = map({
      credBlob: Buffer.of(1),
      credProtect: 2,
      ...Object.fromEntries(names.map((name) => [name, true])),
    });
    const { data } = await key.register({ ...discoverable, 6: all });
    expect([...(data.extensions?.keys() ?? [])]).toEqual([
      ...['credBlob', 'credProtect', 'hmac-secret', 'minPinLength', 'pinComplexityPolicy'],
    ]);
    expect(data.flags).toBe(0xc1);
  });

  it('that nobody knows are ignored, of whatever type (UVM-01)', async () => {
    const key = new Key();
    const unknown = map({ uvm: true, devicePubKey: map({}), largeBlob: map({ support: 'required' }), x: [1] });
    const registration = await key.register({ ...discoverable, 6: unknown });
    expect([registration.data.extensions, registration.data.flags]).toEqual([undefined, 0x41]);
    const { data } = await key.signIn([registration], { 4: unknown });
    expect([data.extensions, data.flags]).toEqual([undefined, 0x01]);
  });

  it('without any in the map are as none', async () => {
    const key = new Key();
    const registration = await key.register({ 6: map({}) });
    expect(registration.data.flags).toBe(0x41);
  });

  const inputs: Record<string, Value> = {
    credBlob: Buffer.of(1),
    credProtect: 3,
    'hmac-secret': true,
    'hmac-secret-mc': 'malformed',
    largeBlobKey: true,
    minPinLength: true,
    pinComplexityPolicy: true,
    thirdPartyPayment: true,
  };
  it('that the policy switches off are ignored', async () => {
    const key = new Key({ policy: { extensions: [] } });
    await key.environment.vault.update((tx) => tx.setDevice({ minPinLengthRPIDs: [rpId] }));
    const registration = await key.register({ ...discoverable, 6: map(inputs) });
    expect([registration.data.extensions, registration.largeBlobKey]).toEqual([undefined, undefined]);
    expect(key.environment.vault.credential(registration.credentialId)).toMatchObject({
      credProtect: 1,
      thirdPartyPayment: false,
    });
    const assertion = await key.signIn([registration], { 4: map(inputs) });
    expect([assertion.data.extensions, assertion.largeBlobKey]).toEqual([undefined, undefined]);
  });

  it('are told in getInfo, those that are on', async () => {
    const all = (await new Key().send(Command.getInfo)).members.get(2);
    expect(all).toEqual(Object.keys(inputs));
    const some = await new Key({ policy: { extensions: ['hmac-secret', 'credProtect'] } }).send(Command.getInfo);
    expect(some.members.get(2)).toEqual(['hmac-secret', 'credProtect']);
  });

  it('store nothing when the person declines', async () => {
    const key = new Key();
    key.gate.script = 'declined';
    const { status } = await key.makeCredential({ ...discoverable, 6: map({ largeBlobKey: true, credProtect: 2 }) });
    expect([status, key.environment.vault.credentialCount()]).toEqual([Status.OPERATION_DENIED, 0]);
  });
});

for (const [name, id, changed, output] of [
  ['minPinLength', 'MPX-01', { minPINLength: 6 }, 6],
  ['pinComplexityPolicy', 'PCP-01', { pinComplexityPolicy: true }, true],
  ['pinComplexityPolicy', 'PCP-01', {}, false],
] as const) {
  describe(`${name} ${output}`, () => {
    it(`is told to relying parties on the list, and to no others (${id})`, async () => {
      const key = new Key();
      await key.environment.vault.update((tx) => tx.setDevice({ ...changed, minPinLengthRPIDs: ['x.example', rpId] }));
      const listed = await key.register({ 6: map({ [name]: true }) });
      expect(listed.data.extensions).toEqual(new Map([[name, output]]));
      const info = await key.send(Command.getInfo);
      expect(info.members.get(name === 'minPinLength' ? 0x0d : 0x1b)).toBe(output);
      for (const other of ['other.example', `sub.${rpId}`, 'org']) {
        const { data } = await key.register({ 2: map({ id: other }), 6: map({ [name]: true }) });
        expect(data.extensions).toBeUndefined();
      }
    });

    it('is not told to who does not ask, or asks with false', async () => {
      const key = new Key();
      await key.environment.vault.update((tx) => tx.setDevice({ minPinLengthRPIDs: [rpId] }));
      expect((await key.register({ 6: map({ [name]: false }) })).data.extensions).toBeUndefined();
      expect((await key.register()).data.extensions).toBeUndefined();
    });

    it('refuses what is no boolean, on the list or not', async () => {
      for (const minPinLengthRPIDs of [[], [rpId]]) {
        const key = new Key();
        await key.environment.vault.update((tx) => tx.setDevice({ minPinLengthRPIDs }));
        expect((await key.makeCredential({ 6: map({ [name]: 1 }) })).status).toBe(Status.CBOR_UNEXPECTED_TYPE);
      }
    });

    it('does not exist in assertions', async () => {
      const key = new Key();
      await key.environment.vault.update((tx) => tx.setDevice({ minPinLengthRPIDs: [rpId] }));
      const registration = await key.register(discoverable);
      expect((await key.signIn([registration], { 4: map({ [name]: true }) })).data.extensions).toBeUndefined();
    });
  });
}

describe('thirdPartyPayment', () => {
  const payment = (wanted: Value) => map({ thirdPartyPayment: wanted });

  for (const [kind, options] of [
    ['discoverable', discoverable],
    ['sealed', {}],
  ] as const) {
    it(`tells in assertions what the credential was made for: ${kind} (TPP-01, TPP-02)`, async () => {
      const key = new Key();
      for (const [extensions, expected] of [
        [payment(true), true],
        [payment(false), false],
        [undefined, false],
      ] as const) {
        const registration = await key.register({ ...options, ...(extensions && { 6: extensions }) } as Changes);
        expect(registration.data.extensions).toBeUndefined();
        const allowList = [descriptor(registration.credentialId)];
        for (const up of [true, false]) {
          const { data } = await key.signIn([registration], { 3: allowList, 4: payment(true), 5: map({ up }) });
          expect(data.extensions).toEqual(new Map([['thirdPartyPayment', expected]]));
        }
        const { data } = await key.signIn([registration], { 3: allowList, 4: payment(false) });
        expect(data.extensions).toBeUndefined();
      }
    });
  }

  it('tells it for each account', async () => {
    const key = new Key();
    const registrations = [
      await key.register({ ...discoverable, 6: payment(true) }),
      await key.register({ ...discoverable, 3: user('bob') }),
    ];
    const first = await key.signIn(registrations, { 4: payment(true) });
    const next = verified(await key.send(Command.getNextAssertion), registrations);
    expect([first, next].map(({ data }) => data.extensions?.get('thirdPartyPayment'))).toEqual([false, true]);
  });

  it('refuses what is no boolean', async () => {
    const key = new Key();
    await key.register(discoverable);
    expect((await key.makeCredential({ 6: payment(1) })).status).toBe(Status.CBOR_UNEXPECTED_TYPE);
    expect((await key.getAssertion({ 4: payment('x') })).status).toBe(Status.CBOR_UNEXPECTED_TYPE);
  });
});
