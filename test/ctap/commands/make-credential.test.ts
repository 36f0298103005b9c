import { describe, expect, it } from 'vitest';
import { Status } from '../../../ctap/status.ts';
import { type Changes, clientDataHash, descriptor, Key, map, rpId, user } from '../../support/key.ts';
import * as platform from '../../support/platform.ts';

const params = (...algorithms: number[]) => algorithms.map((alg) => map({ alg, type: 'public-key' }));
const discoverable = { 7: map({ rk: true }) };

/** Every request that is refused: the difference to the base request, and the status. */
const withTransports = (transports: platform.Value) => map({ id: new Uint8Array(32), type: 'public-key', transports });

const refusals: [string, Changes, number][] = [
  ['a missing clientDataHash', { 1: undefined }, Status.MISSING_PARAMETER],
  ['a missing rp', { 2: undefined }, Status.MISSING_PARAMETER],
  ['a missing user', { 3: undefined }, Status.MISSING_PARAMETER],
  ['missing pubKeyCredParams', { 4: undefined }, Status.MISSING_PARAMETER],
  ['a clientDataHash of text', { 1: 'x'.repeat(32) }, Status.CBOR_UNEXPECTED_TYPE],
  ['a clientDataHash of 31 bytes', { 1: new Uint8Array(31) }, Status.INVALID_PARAMETER],
  ['a clientDataHash of 33 bytes', { 1: new Uint8Array(33) }, Status.INVALID_PARAMETER],
  ['an rp of text', { 2: rpId }, Status.CBOR_UNEXPECTED_TYPE],
  ['an rp without id', { 2: map({ name: 'x' }) }, Status.CBOR_UNEXPECTED_TYPE],
  ['an rp.id of bytes', { 2: map({ id: new Uint8Array(4) }) }, Status.CBOR_UNEXPECTED_TYPE],
  ['an rp.name that is a number', { 2: map({ id: rpId, name: 1 }) }, Status.CBOR_UNEXPECTED_TYPE],
  ['an rp.icon that is a number', { 2: map({ id: rpId, icon: 1 }) }, Status.CBOR_UNEXPECTED_TYPE],
  ['an empty rp.id', { 2: map({ id: '' }) }, Status.MISSING_PARAMETER],
  ['a user that is a list', { 3: [] }, Status.CBOR_UNEXPECTED_TYPE],
  ['a user without id', { 3: map({ name: 'x' }) }, Status.CBOR_UNEXPECTED_TYPE],
  ['a user.id of text', { 3: map({ id: 'x' }) }, Status.CBOR_UNEXPECTED_TYPE],
  ['a user.name of bytes', { 3: user('x', { name: new Uint8Array(1) }) }, Status.CBOR_UNEXPECTED_TYPE],
  ['a user.displayName of bytes', { 3: user('x', { displayName: new Uint8Array(1) }) }, Status.CBOR_UNEXPECTED_TYPE],
  ['a user.icon of bytes', { 3: user('x', { icon: new Uint8Array(1) }) }, Status.CBOR_UNEXPECTED_TYPE],
  ['an empty user.id', { 3: user('') }, Status.INVALID_LENGTH],
  ['a user.id of 65 bytes', { 3: user('x'.repeat(65)) }, Status.INVALID_LENGTH],
  ['pubKeyCredParams that are a map', { 4: map({}) }, Status.CBOR_UNEXPECTED_TYPE],
  ['a parameter that is no map', { 4: [-7] }, Status.CBOR_UNEXPECTED_TYPE],
  ['a parameter without alg', { 4: [map({ type: 'public-key' })] }, Status.CBOR_UNEXPECTED_TYPE],
  ['a parameter without type', { 4: [map({ alg: -7 })] }, Status.CBOR_UNEXPECTED_TYPE],
  ['an alg of text', { 4: [map({ alg: 'ES256', type: 'public-key' })] }, Status.CBOR_UNEXPECTED_TYPE],
  ['a type of bytes', { 4: [map({ alg: -7, type: new Uint8Array(1) })] }, Status.CBOR_UNEXPECTED_TYPE],
  ['a bad parameter after a good one', { 4: [...params(-7), map({ alg: -7 })] }, Status.CBOR_UNEXPECTED_TYPE],
  ['no parameter', { 4: [] }, Status.UNSUPPORTED_ALGORITHM],
  ['unknown algorithms only', { 4: params(-257, -999) }, Status.UNSUPPORTED_ALGORITHM],
  ['an unknown type only', { 4: [map({ alg: -7, type: 'private-key' })] }, Status.UNSUPPORTED_ALGORITHM],
  ['an excludeList that is a map', { 5: map({}) }, Status.CBOR_UNEXPECTED_TYPE],
  ['an excludeList element that is no map', { 5: [new Uint8Array(32)] }, Status.CBOR_UNEXPECTED_TYPE],
  ['an excludeList element without id', { 5: [map({ type: 'public-key' })] }, Status.CBOR_UNEXPECTED_TYPE],
  ['an excludeList element without type', { 5: [map({ id: new Uint8Array(32) })] }, Status.CBOR_UNEXPECTED_TYPE],
  ['an excludeList id of text', { 5: [map({ id: 'x', type: 'public-key' })] }, Status.CBOR_UNEXPECTED_TYPE],
  ['transports that are a number', { 5: [withTransports(7)] }, Status.CBOR_UNEXPECTED_TYPE],
  ['transports with a number in them', { 5: [withTransports(['usb', 7])] }, Status.CBOR_UNEXPECTED_TYPE],
  ['65 excludeList elements', { 5: Array(65).fill(descriptor(new Uint8Array(32))) }, Status.LIMIT_EXCEEDED],
  ['extensions that are a list', { 6: [] }, Status.CBOR_UNEXPECTED_TYPE],
  ['options that are a list', { 7: [] }, Status.CBOR_UNEXPECTED_TYPE],
  ['an rk that is a number', { 7: map({ rk: 1 }) }, Status.CBOR_UNEXPECTED_TYPE],
  ['an up that is text', { 7: map({ up: 'yes' }) }, Status.CBOR_UNEXPECTED_TYPE],
  ['a uv that is null', { 7: map({ uv: null }) }, Status.CBOR_UNEXPECTED_TYPE],
  ['up: false', { 7: map({ up: false }) }, Status.INVALID_OPTION],
  ['uv: true, without built-in user verification', { 7: map({ uv: true }) }, Status.INVALID_OPTION],
  ['a pinUvAuthParam of text', { 8: '', 9: 1 }, Status.CBOR_UNEXPECTED_TYPE],
  ['a pinUvAuthProtocol of text', { 8: new Uint8Array(16), 9: '1' }, Status.CBOR_UNEXPECTED_TYPE],
  ['a pinUvAuthParam without protocol', { 8: new Uint8Array(16) }, Status.MISSING_PARAMETER],
  ['a pinUvAuthParam of protocol 0 (MC-UV-02)', { 8: new Uint8Array(16), 9: 0 }, Status.INVALID_PARAMETER],
  ['a pinUvAuthParam of protocol -1 (MC-UV-02)', { 8: new Uint8Array(16), 9: -1 }, Status.INVALID_PARAMETER],
  ['a pinUvAuthParam of protocol 3 (MC-UV-02)', { 8: new Uint8Array(32), 9: 3 }, Status.INVALID_PARAMETER],
  ['a pinUvAuthParam where no PIN is set (MC-UV-08)', { 8: new Uint8Array(32), 9: 2 }, Status.PIN_NOT_SET],
  ['enterprise attestation', { 10: 1 }, Status.INVALID_PARAMETER],
  ['enterprise attestation of an unknown kind', { 10: 3 }, Status.INVALID_PARAMETER],
  ['enterprise attestation that is text', { 10: '1' }, Status.CBOR_UNEXPECTED_TYPE],
  ['an attestation preference that is text', { 11: 'none' }, Status.CBOR_UNEXPECTED_TYPE],
  ['an attestation preference with a number in it', { 11: ['none', 1] }, Status.CBOR_UNEXPECTED_TYPE],
];

describe('makeCredential', () => {
  for (const [what, changes, status] of refusals) {
    it(`refuses ${what}, without asking`, async () => {
      const key = new Key();
      expect((await key.makeCredential(changes)).status).toBe(status);
      expect(key.gate.prompts).toEqual([]);
    });
  }

  const accepted: [string, Changes][] = [
    ['icons of old platforms', { 2: map({ id: rpId, icon: 'x' }), 3: user('x', { icon: 'x' }) }],
    ['unknown options, of any type', { 7: map({ rk: true, foo: 'bar' }) }],
    ['explicit defaults', { 7: map({ rk: false, up: true, uv: false }) }],
    ['a user without names', { 3: map({ id: Buffer.from('x') }) }],
    ['an rp without name', { 2: map({ id: rpId }) }],
    ['a user.id of 64 bytes', { 3: user('x'.repeat(64)) }],
    ['an empty excludeList', { 5: [] }],
    ['64 excludeList elements', { 5: Array(64).fill(descriptor(new Uint8Array(32))) }],
    ['an excludeList element of unknown type', { 5: [descriptor(new Uint8Array(32), 'foo')] }],
    ['transports of any name', { 5: [withTransports(['usb', 'carrier pigeon'])] }],
    ['the first known algorithm of several', { 4: params(-257, -7, -8) }],
    ['a pinUvAuthProtocol without pinUvAuthParam', { 9: 7 }],
  ];
  for (const [what, changes] of accepted) {
    it(`accepts ${what}`, async () => {
      const key = new Key();
      const registration = await key.register(changes);
      expect(registration.data.flags).toBe(0x41);
      expect(key.environment.bugs).toEqual([]);
    });
  }

  for (const [kind, options] of [
    ['discoverable', discoverable],
    ['sealed', {}],
  ] as const) {
    it(`answers with three members and nothing that nobody asked for: ${kind} (MC-RSP-01 to MC-RSP-05)`, async () => {
      const key = new Key();
      const { members } = await key.makeCredential(options);
      expect([...members.keys()]).toEqual([1, 2, 3]);
      expect(members.get(1)).toBe('packed');
      const authData = members.get(2) as Uint8Array;
      const { rpIdHash, flags, attested, extensions } = platform.parseAuthenticatorData(authData);
      expect(rpIdHash).toEqual(platform.sha256(rpId));
      // UP and AT; neither ED nor a bit that is reserved.
      expect(flags).toBe(0x41);
      expect(extensions).toBeUndefined();
      expect(attested?.aaguid).toEqual(key.policy.aaguid);
      const idLength = attested?.credentialId.length ?? 0;
      expect(idLength).toBeGreaterThanOrEqual(16);
      expect(idLength).toBeLessThanOrEqual(key.policy.maxCredentialIdLength);
      expect(authData).toHaveLength(37 + 16 + 2 + idLength + 77);
    });
  }

  it('asks with the names of the site and the account', async () => {
    const key = new Key();
    await key.register();
    await key.register({ 3: user('x', { displayName: 'Xaver' }) });
    await key.register({ 3: map({ id: Buffer.from('x') }) });
    expect(key.gate.prompts).toEqual([
      { kind: 'register', rpId, userName: 'alice' },
      { kind: 'register', rpId, userName: 'Xaver' },
      { kind: 'register', rpId },
    ]);
  });

  for (const [answer, status] of [
    ['declined', Status.OPERATION_DENIED],
    ['timed-out', Status.USER_ACTION_TIMEOUT],
    ['cancelled', Status.KEEPALIVE_CANCEL],
  ] as const) {
    it(`makes nothing when ${answer}`, async () => {
      const key = new Key();
      key.gate.script = answer;
      expect((await key.makeCredential(discoverable)).status).toBe(status);
      expect((await key.getAssertion()).status).toBe(Status.NO_CREDENTIALS);
    });
  }

  it('asks again for every request', async () => {
    const key = new Key();
    await key.register();
    await key.register();
    expect(key.gate.prompts).toHaveLength(2);
  });

  describe('with a zero-length pinUvAuthParam', () => {
    for (const [answer, status] of [
      ['approved', Status.PIN_NOT_SET],
      ['declined', Status.OPERATION_DENIED],
      ['timed-out', Status.OPERATION_DENIED],
    ] as const) {
      it(`waits for a touch; ${answer} is status 0x${status.toString(16)}`, async () => {
        const key = new Key();
        key.gate.script = answer;
        expect((await key.makeCredential({ 8: new Uint8Array(0), 9: 1 })).status).toBe(status);
        expect((await key.makeCredential({ 8: new Uint8Array(0) })).status).toBe(status);
        expect(key.gate.prompts).toEqual([{ kind: 'select' }, { kind: 'select' }]);
      });
    }
  });

  describe('with an excludeList', () => {
    for (const [kind, options] of [
      ['a discoverable', discoverable],
      ['a sealed', {}],
    ] as const) {
      for (const answer of ['approved', 'declined', 'timed-out'] as const) {
        it(`refuses for ${kind} credential, after asking, also if ${answer}`, async () => {
          const key = new Key();
          const { credentialId } = await key.register(options);
          key.gate.script = answer;
          const list = [descriptor(new Uint8Array(32)), descriptor(credentialId)];
          expect((await key.makeCredential({ 5: list })).status).toBe(Status.CREDENTIAL_EXCLUDED);
          expect(key.gate.prompts.slice(1)).toEqual([{ kind: 'already-registered', rpId }]);
        });
      }

      it(`does not mind ${kind} credential of another site, of unknown type, or changed`, async () => {
        const key = new Key();
        const { credentialId: foreign } = await key.register({ ...options, 2: map({ id: 'example.com' }) });
        const { credentialId } = await key.register(options);
        const list = [
          descriptor(foreign),
          descriptor(credentialId, 'foo'),
          descriptor(Buffer.from(credentialId).fill(0, 20, 21)),
          descriptor(credentialId.subarray(1)),
          descriptor(new Uint8Array(0)),
          descriptor(new Uint8Array(1023)),
        ];
        expect((await key.makeCredential({ 5: list })).status).toBe(Status.OK);
      });
    }
  });

  describe('with rk', () => {
    it('overwrites the credential of the same account, which gets a new id and key', async () => {
      const key = new Key();
      const old = await key.register(discoverable);
      const fresh = await key.register(discoverable);
      expect(fresh.credentialId).not.toEqual(old.credentialId);
      expect((await key.signIn([fresh])).numberOfCredentials).toBeUndefined();
      expect((await key.getAssertion({ 3: [descriptor(old.credentialId)] })).status).toBe(Status.NO_CREDENTIALS);
    });

    it('leaves other accounts and other sites alone', async () => {
      const key = new Key();
      const elsewhere = await key.register({ ...discoverable, 2: map({ id: 'example.com' }) });
      const bob = await key.register({ ...discoverable, 3: user('bob') });
      const alice = await key.register(discoverable);
      expect((await key.signIn([alice, bob])).numberOfCredentials).toBe(2);
      expect((await key.getAssertion({ 1: 'example.com' })).members.get(1)).toEqual(descriptor(elsewhere.credentialId));
    });

    it('loses neither if overwriting fails', async () => {
      const key = new Key();
      const old = await key.register(discoverable);
      key.environment.vault.failure = new Error('disk full');
      expect((await key.makeCredential(discoverable)).status).toBe(Status.OTHER);
      await key.signIn([old]);
    });

    it('keeps names of up to maxNameBytes, cut between code points', async () => {
      const key = new Key({ policy: { maxNameBytes: 64 } });
      const names = { name: `${'x'.repeat(63)}é`, displayName: '\u{1f511}'.repeat(17) };
      await key.register({ ...discoverable, 2: map({ id: rpId, name: 'n'.repeat(64) }), 3: user('x', names) });
      const [stored] = key.environment.vault.credentialsOf(platform.sha256(rpId));
      expect(stored?.user.name).toBe('x'.repeat(63));
      expect(stored?.user.displayName).toBe('\u{1f511}'.repeat(16));
      expect(stored?.rpName).toBe('n'.repeat(64));
    });

    it('gives each of several accounts a later time, also where the clock stands still or goes back', async () => {
      const key = new Key();
      for (const name of ['a', 'b', 'c']) {
        await key.register({ ...discoverable, 3: user(name) });
        key.environment.clock.epoch -= 1000;
      }
      const accounts = key.environment.vault.credentialsOf(platform.sha256(rpId)).map(({ user }) => user.name);
      expect(accounts).toEqual(['c', 'b', 'a']);
    });

    it('gives random ids of 32 bytes', async () => {
      expect((await new Key().register(discoverable)).credentialId).toHaveLength(32);
    });
  });

  it('without rk stores nothing, and gives an id that serves as a U2F key handle, too', async () => {
    const key = new Key();
    const { credentialId } = await key.register();
    expect(credentialId.length).toBeLessThanOrEqual(255);
    expect((await key.getAssertion()).status).toBe(Status.NO_CREDENTIALS);
    expect(key.environment.vault.credential(credentialId)).toBeUndefined();
  });

  describe('attests', () => {
    const preferences: [string, platform.Value | undefined, string][] = [
      ['packed, by default', undefined, 'packed'],
      ['packed, for an empty preference', [], 'packed'],
      ['none, if only none is wanted', ['none'], 'none'],
      ['none, if none comes first', ['none', 'packed'], 'none'],
      ['packed, if that comes first', ['packed', 'none'], 'packed'],
      ['the first known format', ['tpm', 'none', 'packed'], 'none'],
      ['packed, if nothing in the list is known', ['tpm', 'fido-u2f'], 'packed'],
    ];
    for (const [what, preference, fmt] of preferences) {
      it(what, async () => expect((await new Key().register({ 11: preference })).fmt).toBe(fmt));
    }

    it('with a signature that fits no other client data', async () => {
      const response = await new Key().makeCredential();
      expect(() => platform.verifyRegistration(response, rpId, platform.sha256('other'))).toThrow('does not verify');
      expect(() => platform.verifyRegistration(response, rpId, clientDataHash)).not.toThrow();
    });
  });

  it('answers with a rising signature count', async () => {
    const key = new Key();
    const counts = [await key.register(), await key.register()].map(({ data }) => data.signCount);
    expect(counts).toEqual([1, 2]);
  });
});
