import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { Status } from '../../../ctap/status.ts';
import { Command, descriptor, Key, map, user, verified } from '../../support/key.ts';

const discoverable = { 7: map({ rk: true }) };
const ask = { 4: map({ credBlob: true }) };

describe('credBlob', () => {
  it('keeps the bytes and gives them back, also without a touch (CB-01)', async () => {
    const key = new Key();
    for (const length of [0, 1, 32, key.policy.maxCredBlobLength]) {
      const blob = randomBytes(length);
      const registration = await key.register({ ...discoverable, 6: map({ credBlob: blob }) });
      expect(registration.data.extensions).toEqual(new Map([['credBlob', true]]));
      for (const up of [true, false]) {
        const { data } = await key.signIn([registration], { ...ask, 5: map({ up }) });
        expect(data.extensions).toEqual(new Map([['credBlob', new Uint8Array(blob)]]));
      }
    }
  });

  it('gives back no bytes where there are none (CB-02)', async () => {
    const key = new Key();
    for (const options of [discoverable, {}]) {
      const registration = await key.register(options);
      const { data } = await key.signIn([registration], { ...ask, 3: [descriptor(registration.credentialId)] });
      expect(data.extensions).toEqual(new Map([['credBlob', new Uint8Array()]]));
    }
  });

  it('says that it does not keep too many bytes, or any in a credential id (CB-03)', async () => {
    const key = new Key();
    for (const [length, options] of [
      [key.policy.maxCredBlobLength + 1, discoverable],
      [8, {}],
    ] as const) {
      const registration = await key.register({ ...options, 6: map({ credBlob: randomBytes(length) }) });
      expect(registration.data.extensions).toEqual(new Map([['credBlob', false]]));
      const { data } = await key.signIn([registration], { ...ask, 3: [descriptor(registration.credentialId)] });
      expect(data.extensions).toEqual(new Map([['credBlob', new Uint8Array()]]));
    }
  });

  it('belongs to each account (NEXT-06)', async () => {
    const key = new Key();
    const registrations = [
      await key.register({ ...discoverable, 3: user('alice'), 6: map({ credBlob: Buffer.of(1) }) }),
      await key.register({ ...discoverable, 3: user('bob'), 6: map({ credBlob: Buffer.of(2) }) }),
    ];
    const first = await key.signIn(registrations, ask);
    const next = verified(await key.send(Command.getNextAssertion), registrations);
    const blobs = [first, next].map(({ data }) => data.extensions?.get('credBlob'));
    expect(blobs).toEqual([Uint8Array.of(2), Uint8Array.of(1)]);
  });

  it('is silent in an assertion that does not want it', async () => {
    const key = new Key();
    const registration = await key.register({ ...discoverable, 6: map({ credBlob: Buffer.of(1) }) });
    const { data } = await key.signIn([registration], { 4: map({ credBlob: false }) });
    expect(data.extensions).toBeUndefined();
  });

  it('refuses other types, without asking', async () => {
    const key = new Key();
    await key.register(discoverable);
    key.gate.prompts.length = 0;
    for (const value of ['x', true, 1]) {
      expect((await key.makeCredential({ 6: map({ credBlob: value }) })).status).toBe(Status.CBOR_UNEXPECTED_TYPE);
    }
    for (const value of ['x', new Uint8Array(1), 1]) {
      expect((await key.getAssertion({ 4: map({ credBlob: value }) })).status).toBe(Status.CBOR_UNEXPECTED_TYPE);
    }
    expect(key.gate.prompts).toEqual([]);
  });
});
