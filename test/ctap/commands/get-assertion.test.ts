import { describe, expect, it } from 'vitest';
import { Status } from '../../../ctap/status.ts';
import { type Changes, clientDataHash, descriptor, Key, map, rpId, user } from '../../support/key.ts';
import * as platform from '../../support/platform.ts';

const discoverable = { 7: map({ rk: true }) };

const refusals: [string, Changes, number][] = [
  ['a missing rpId', { 1: undefined }, Status.MISSING_PARAMETER],
  ['a missing clientDataHash', { 2: undefined }, Status.MISSING_PARAMETER],
  ['an rpId of bytes', { 1: new Uint8Array(4) }, Status.CBOR_UNEXPECTED_TYPE],
  ['a clientDataHash of text', { 2: 'x'.repeat(32) }, Status.CBOR_UNEXPECTED_TYPE],
  ['a clientDataHash of 31 bytes', { 2: new Uint8Array(31) }, Status.INVALID_PARAMETER],
  ['an allowList that is a map', { 3: map({}) }, Status.CBOR_UNEXPECTED_TYPE],
  ['an allowList element that is no map', { 3: [1] }, Status.CBOR_UNEXPECTED_TYPE],
  ['an allowList element without id', { 3: [map({ type: 'public-key' })] }, Status.CBOR_UNEXPECTED_TYPE],
  ['an allowList element without type', { 3: [map({ id: new Uint8Array(1) })] }, Status.CBOR_UNEXPECTED_TYPE],
  ['an allowList id of text', { 3: [map({ id: 'x', type: 'public-key' })] }, Status.CBOR_UNEXPECTED_TYPE],
  ['an allowList type of bytes', { 3: [map({ id: new Uint8Array(1), type: new Uint8Array(1) })] }, 0x11],
  ['65 allowList elements', { 3: Array(65).fill(descriptor(new Uint8Array(32))) }, Status.LIMIT_EXCEEDED],
  ['extensions that are a list', { 4: [] }, Status.CBOR_UNEXPECTED_TYPE],
  ['options that are a list', { 5: [] }, Status.CBOR_UNEXPECTED_TYPE],
  ['an up that is a number', { 5: map({ up: 0 }) }, Status.CBOR_UNEXPECTED_TYPE],
  ['uv: true, without built-in user verification', { 5: map({ uv: true }) }, Status.INVALID_OPTION],
  ['rk: true', { 5: map({ rk: true }) }, Status.UNSUPPORTED_OPTION],
  ['rk: false', { 5: map({ rk: false }) }, Status.UNSUPPORTED_OPTION],
  ['a pinUvAuthParam without protocol', { 6: new Uint8Array(16) }, Status.MISSING_PARAMETER],
  ['a pinUvAuthParam of protocol 0 (MC-UV-02)', { 6: new Uint8Array(16), 7: 0 }, Status.INVALID_PARAMETER],
  ['a pinUvAuthParam where no PIN is set (MC-UV-08)', { 6: new Uint8Array(16), 7: 1 }, Status.PIN_NOT_SET],
  ['another rpId', { 1: 'example.com' }, Status.NO_CREDENTIALS],
  ['an allowList of unknown ids', { 3: [descriptor(new Uint8Array(32))] }, Status.NO_CREDENTIALS],
];

describe('getAssertion', () => {
  for (const [what, changes, status] of refusals) {
    it(`refuses ${what}, without asking`, async () => {
      const key = new Key();
      await key.register(discoverable);
      expect((await key.getAssertion(changes)).status).toBe(status);
      expect(key.gate.prompts).toHaveLength(1);
    });
  }

  for (const [kind, options] of [
    ['discoverable', discoverable],
    ['sealed', {}],
  ] as const) {
    it(`signs with a ${kind} credential of the allowList`, async () => {
      const key = new Key();
      const registration = await key.register(options);
      const changes = { 3: [descriptor(new Uint8Array(32)), descriptor(registration.credentialId)] };
      const assertion = await key.signIn([registration], changes);
      expect(assertion.data.flags).toBe(0x01);
      expect(assertion.user).toBeUndefined();
      expect(assertion.numberOfCredentials).toBeUndefined();
    });

    it(`does not find a ${kind} credential under another rpId, with another type, or changed`, async () => {
      const key = new Key();
      const { credentialId } = await key.register(options);
      const [last] = credentialId.subarray(-1);
      const changed = Buffer.concat([credentialId.subarray(0, -1), Buffer.of((last ?? 0) ^ 1)]);
      const cases: Changes[] = [
        { 1: 'example.com', 3: [descriptor(credentialId)] },
        { 3: [descriptor(credentialId, 'foo')] },
        { 3: [descriptor(changed)] },
      ];
      for (const changes of cases) expect((await key.getAssertion(changes)).status).toBe(Status.NO_CREDENTIALS);
    });

    it(`signs silently with a ${kind} credential for up: false, and asks nobody`, async () => {
      const key = new Key();
      const registration = await key.register(options);
      key.gate.script = 'declined';
      const changes = { 3: [descriptor(registration.credentialId)], 5: map({ up: false }) };
      expect((await key.signIn([registration], changes)).data.flags).toBe(0x00);
      expect(key.gate.prompts).toHaveLength(1);
    });
  }

  it('gives one answer for an allowList with several of its credentials', async () => {
    const key = new Key();
    const one = await key.register(discoverable);
    const two = await key.register({ ...discoverable, 3: user('bob') });
    const assertion = await key.signIn([one, two], { 3: [one, two].map((r) => descriptor(r.credentialId)) });
    expect(assertion.numberOfCredentials).toBeUndefined();
    expect(assertion.credentialId).toEqual(one.credentialId);
  });

  it('ignores options that it does not know, of any type (GA-OPT-01)', async () => {
    const key = new Key();
    const registration = await key.register({ 7: map({ rk: true }) });
    await key.signIn([registration], { 5: map({ up: true, foo: 'bar' }) });
  });

  it('skips elements of the allowList that are of unknown type (GA-ALW-02)', async () => {
    const key = new Key();
    const registration = await key.register();
    const { credentialId } = registration;
    await key.signIn([registration], { 3: [descriptor(credentialId, 'foo'), descriptor(credentialId)] });
  });

  it('answers with credential, authenticator data of 37 bytes and signature (GA-RSP-01, GA-RSP-02)', async () => {
    const key = new Key();
    const { credentialId } = await key.register();
    const { members } = await key.getAssertion({ 3: [descriptor(credentialId)] });
    expect([...members.keys()]).toEqual([1, 2, 3]);
    expect(members.get(1)).toEqual(map({ id: credentialId, type: 'public-key' }));
    const authData = members.get(2) as Uint8Array;
    expect(authData).toHaveLength(37);
    expect(platform.parseAuthenticatorData(authData)).toMatchObject({ rpIdHash: platform.sha256(rpId), flags: 1 });
  });

  it('takes an empty allowList as none', async () => {
    const key = new Key();
    const registration = await key.register(discoverable);
    expect((await key.signIn([registration], { 3: [] })).user).toBeDefined();
  });

  it('names a discoverable account by nothing but its user handle', async () => {
    const key = new Key();
    const { user } = await key.signIn([await key.register(discoverable)]);
    expect(user).toEqual(map({ id: new Uint8Array(Buffer.from('alice')) }));
  });

  it('answers NO_CREDENTIALS at once where there is none', async () => {
    const key = new Key();
    await key.register();
    expect((await key.getAssertion()).status).toBe(Status.NO_CREDENTIALS);
    expect(key.gate.prompts).toHaveLength(1);
  });

  it('asks with the names of the site and of the accounts that may sign in', async () => {
    const key = new Key();
    const alice = await key.register(discoverable);
    await key.register({ ...discoverable, 3: user('bob', { displayName: 'Bob' }) });
    await key.register({ ...discoverable, 3: map({ id: Buffer.from('nameless') }) });
    const sealed = await key.register();
    key.gate.prompts.length = 0;
    await key.getAssertion();
    await key.getAssertion({ 3: [descriptor(alice.credentialId)] });
    await key.getAssertion({ 3: [descriptor(sealed.credentialId)] });
    expect(key.gate.prompts).toEqual([
      { kind: 'sign-in', rpId, accounts: ['Bob', 'alice'] },
      { kind: 'sign-in', rpId, accounts: ['alice'] },
      { kind: 'sign-in', rpId, accounts: [] },
    ]);
  });

  for (const [answer, status] of [
    ['declined', Status.OPERATION_DENIED],
    ['timed-out', Status.USER_ACTION_TIMEOUT],
    ['cancelled', Status.KEEPALIVE_CANCEL],
  ] as const) {
    it(`signs nothing when ${answer}`, async () => {
      const key = new Key();
      await key.register(discoverable);
      key.gate.script = answer;
      expect((await key.getAssertion()).status).toBe(status);
    });
  }

  it('waits for a touch with a zero-length pinUvAuthParam, then says PIN_NOT_SET', async () => {
    const key = new Key();
    expect((await key.getAssertion({ 6: new Uint8Array(0), 7: 1 })).status).toBe(Status.PIN_NOT_SET);
    key.gate.script = 'declined';
    expect((await key.getAssertion({ 6: new Uint8Array(0) })).status).toBe(Status.OPERATION_DENIED);
    expect(key.gate.prompts).toEqual([{ kind: 'select' }, { kind: 'select' }]);
  });

  it('counts every signature, also the silent ones', async () => {
    const key = new Key();
    const registration = await key.register(discoverable);
    const counts: number[] = [registration.data.signCount];
    for (const up of [true, false, true]) {
      counts.push((await key.signIn([registration], { 5: map({ up }) })).data.signCount);
    }
    expect(counts).toEqual([1, 2, 3, 4]);
  });

  it('signs this client data and no other', async () => {
    const key = new Key();
    const registration = await key.register(discoverable);
    const response = await key.getAssertion();
    const keyOf = () => registration.publicKey;
    expect(() => platform.verifyAssertion(response, rpId, platform.sha256('other'), keyOf)).toThrow('does not verify');
    expect(() => platform.verifyAssertion(response, rpId, clientDataHash, keyOf)).not.toThrow();
  });
});
