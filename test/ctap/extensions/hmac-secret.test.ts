import { randomBytes } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { createNobleCrypto } from '../../../ctap/crypto/noble.ts';
import type { Crypto } from '../../../ctap/env.ts';
import { Status } from '../../../ctap/status.ts';
import { createOpensslCrypto } from '../../../src/openssl.ts';
import { hmacSecretInput, prfSalt } from '../../support/extension-client.ts';
import { type Changes, Command, descriptor, Key, map, user, verified } from '../../support/key.ts';
import { Permission, PinClient, protocols } from '../../support/pin-client.ts';
import { type Agreement, agree, type Registration, type Value } from '../../support/platform.ts';
import vectors from '../../vectors/hmac-secret.json' with { type: 'json' };

const pin = '1234';
const [salt1, salt2] = [randomBytes(32), randomBytes(32)];
const discoverable = { 7: map({ rk: true }) };
const hex = (text: string) => new Uint8Array(Buffer.from(text, 'hex'));
const wanted = (input: Value, name = 'hmac-secret') => map({ 'hmac-secret': true, [name]: input });

/** What is in authenticator data under a name, decrypted and cut into secrets of 32 bytes. */
function secretsIn(data: { extensions?: ReadonlyMap<unknown, Value> }, agreement: Agreement, name = 'hmac-secret') {
  const output = data.extensions?.get(name);
  if (!(output instanceof Uint8Array)) throw new Error(`no output of ${name}`);
  const text = Buffer.from(agreement.decrypt(output)).toString('hex');
  return text.match(/.{64}/g) ?? [];
}

/** Signs in with salts, and gives back the secrets. */
async function derive(client: PinClient, registration: Registration, salts: Uint8Array, changes: Changes = {}) {
  const agreement = await client.agree();
  const input = map({ 'hmac-secret': hmacSecretInput(agreement, salts) });
  const request = { 3: [descriptor(registration.credentialId)], 4: input, ...changes };
  const { data } = await client.key.signIn([registration], request);
  return secretsIn(data, agreement);
}

/** What shows a user who was verified. */
async function withUv(client: PinClient): Promise<{ creation: Changes; assertion: Changes }> {
  const token = await client.token(pin, Permission.mc | Permission.ga);
  return { creation: token.forMakeCredential, assertion: token.forGetAssertion };
}

describe('hmac-secret in makeCredential', () => {
  it('answers true with true (HMAC-01)', async () => {
    for (const options of [{}, discoverable]) {
      const { data } = await new Key().register({ ...options, 6: map({ 'hmac-secret': true }) });
      expect(data.extensions).toEqual(new Map([['hmac-secret', true]]));
    }
  });

  it('answers false with nothing, and refuses what is no boolean, without asking (HMAC-02)', async () => {
    const key = new Key();
    expect((await key.register({ 6: map({ 'hmac-secret': false }) })).data.extensions).toBeUndefined();
    key.gate.prompts.length = 0;
    for (const value of ['true', 1, new Uint8Array(1), map({}), null]) {
      const { status } = await key.makeCredential({ 6: map({ 'hmac-secret': value }) });
      expect(status).toBe(Status.CBOR_UNEXPECTED_TYPE);
    }
    expect(key.gate.prompts).toEqual([]);
  });
});

for (const protocol of protocols) {
  describe(`hmac-secret, protocol ${protocol}`, () => {
    for (const [kind, options] of [
      ['discoverable', discoverable],
      ['sealed', {}],
    ] as const) {
      it(`derives the same secret from the same salt, and another from another: ${kind} (HMAC-03)`, async () => {
        const key = new Key();
        const client = new PinClient(key, protocol);
        const registration = await key.register({ ...options, 6: map({ 'hmac-secret': true }) });
        const [once] = await derive(client, registration, salt1);
        expect(once).toHaveLength(64);
        expect(await derive(client, registration, salt1)).toEqual([once]);
        const [first, second, ...rest] = await derive(client, registration, Buffer.concat([salt1, salt2]));
        expect([first, rest]).toEqual([once, []]);
        expect(await derive(client, registration, salt2)).toEqual([second]);
        expect(second).not.toBe(once);
      });

      it(`derives other secrets for a user who was verified: ${kind} (HMAC-04)`, async () => {
        const key = new Key();
        const client = new PinClient(key, protocol);
        const registration = await key.register({ ...options });
        const without = await derive(client, registration, salt1);
        await client.setPin(pin);
        expect(await derive(client, registration, salt1)).toEqual(without);
        const verifiedOnce = await derive(client, registration, salt1, (await withUv(client)).assertion);
        expect(verifiedOnce).not.toEqual(without);
        expect(await derive(client, registration, salt1, (await withUv(client)).assertion)).toEqual(verifiedOnce);
      });

      it(`works for credentials that were made without it: ${kind} (HMAC-07)`, async () => {
        const key = new Key();
        const registration = await key.register({ ...options });
        expect(await derive(new PinClient(key, protocol), registration, salt1)).toHaveLength(1);
      });
    }

    it('answers with as many bytes as were asked', async () => {
      const key = new Key();
      await key.register(discoverable);
      for (const [salts, length] of [
        [salt1, 32],
        [Buffer.concat([salt1, salt2]), 64],
      ] as const) {
        const agreement = await new PinClient(key, protocol).agree();
        const response = await key.getAssertion({ 4: map({ 'hmac-secret': hmacSecretInput(agreement, salts) }) });
        const authData = response.members.get(2) as Uint8Array;
        // 37 bytes, a map of one, the name, the head of the byte string.
        expect(authData.length).toBe(37 + 1 + 12 + 2 + length + (protocol === 2 ? 16 : 0));
      }
    });

    it('derives for every account from the same salts (HMAC-07, NEXT-06)', async () => {
      const key = new Key();
      const client = new PinClient(key, protocol);
      const registrations = [
        await key.register({ ...discoverable, 3: user('alice') }),
        await key.register({ ...discoverable, 3: user('bob') }),
      ];
      const agreement = await client.agree();
      const input = map({ 'hmac-secret': hmacSecretInput(agreement, salt1) });
      const bob = await key.signIn(registrations, { 4: input });
      const alice = verified(await key.send(Command.getNextAssertion), registrations);
      const [ofBob, ofAlice] = [secretsIn(bob.data, agreement), secretsIn(alice.data, agreement)];
      expect(ofBob).not.toEqual(ofAlice);
      for (const [registration, secrets] of [
        [registrations[1], ofBob],
        [registrations[0], ofAlice],
      ] as const) {
        if (!registration) throw new Error('no registration');
        expect(await derive(client, registration, salt1)).toEqual(secrets);
      }
    });

    it('refuses salts of another length (HMAC-05)', async () => {
      const key = new Key();
      await key.register(discoverable);
      for (const length of [0, 16, 48, 80]) {
        const agreement = await new PinClient(key, protocol).agree();
        const input = hmacSecretInput(agreement, randomBytes(length));
        const { status } = await key.getAssertion({ 4: map({ 'hmac-secret': input }) });
        expect(status, `${length} bytes`).toBe(Status.INVALID_PARAMETER);
      }
      // Not even whole blocks.
      const agreement = await new PinClient(key, protocol).agree();
      const saltEnc = randomBytes(33);
      const input = new Map([...hmacSecretInput(agreement, salt1), [2, saltEnc], [3, agreement.authenticate(saltEnc)]]);
      const { status } = await key.getAssertion({ 4: map({ 'hmac-secret': input as Value }) });
      expect(status).toBe(Status.INVALID_PARAMETER);
    });

    const changes: [string, (input: Map<number, Value>) => unknown, number][] = [
      ['a wrong saltAuth', (input) => input.set(3, new Uint8Array(protocol * 16)), Status.PIN_AUTH_INVALID],
      ['an empty saltAuth', (input) => input.set(3, new Uint8Array(0)), Status.PIN_AUTH_INVALID],
      ['no keyAgreement', (input) => input.delete(1), Status.MISSING_PARAMETER],
      ['no saltEnc', (input) => input.delete(2), Status.MISSING_PARAMETER],
      ['no saltAuth', (input) => input.delete(3), Status.MISSING_PARAMETER],
      ['an unknown protocol', (input) => input.set(4, 3), Status.INVALID_PARAMETER],
      ['a negative protocol', (input) => input.set(4, -1), Status.INVALID_PARAMETER],
      ['a protocol of text', (input) => input.set(4, '1'), Status.CBOR_UNEXPECTED_TYPE],
      ['a saltEnc of text', (input) => input.set(2, 'x'), Status.CBOR_UNEXPECTED_TYPE],
      ['a keyAgreement of bytes', (input) => input.set(1, new Uint8Array(65)), Status.CBOR_UNEXPECTED_TYPE],
      [
        'a key that is no point of the curve',
        (input) => input.set(1, new Map([...(input.get(1) as Map<number, Value>), [-2, new Uint8Array(32)]])),
        Status.INVALID_PARAMETER,
      ],
    ];
    for (const [what, change, expected] of changes) {
      it(`refuses ${what}, in assertions and registrations, without asking (HMAC-06)`, async () => {
        const key = new Key();
        await key.register(discoverable);
        key.gate.prompts.length = 0;
        const input = new Map(hmacSecretInput(await new PinClient(key, protocol).agree(), salt1)) as Map<number, Value>;
        change(input);
        expect((await key.getAssertion({ 4: map({ 'hmac-secret': input }) })).status).toBe(expected);
        expect((await key.makeCredential({ 6: wanted(input, 'hmac-secret-mc') })).status).toBe(expected);
        expect(key.gate.prompts).toEqual([]);
      });
    }

    it('refuses to derive without a touch (HMAC-06)', async () => {
      const key = new Key();
      await key.register(discoverable);
      const input = hmacSecretInput(await new PinClient(key, protocol).agree(), salt1);
      const { status } = await key.getAssertion({ 4: map({ 'hmac-secret': input }), 5: map({ up: false }) });
      expect(status).toBe(Status.UNSUPPORTED_OPTION);
    });

    describe('hmac-secret-mc', () => {
      for (const [kind, options] of [
        ['discoverable', discoverable],
        ['sealed', {}],
      ] as const) {
        for (const salts of [salt1, Buffer.concat([salt1, salt2])]) {
          it(`tells in the registration what assertions tell: ${kind}, ${salts.length} bytes (HMC-01)`, async () => {
            const key = new Key();
            const client = new PinClient(key, protocol);
            const agreement = await client.agree();
            const input = hmacSecretInput(agreement, salts);
            const registration = await key.register({ ...options, 6: wanted(input, 'hmac-secret-mc') });
            expect(registration.data.extensions?.get('hmac-secret')).toBe(true);
            const secrets = secretsIn(registration.data, agreement, 'hmac-secret-mc');
            expect(await derive(client, registration, salts)).toEqual(secrets);
            await client.setPin(pin);
            const { assertion } = await withUv(client);
            expect(await derive(client, registration, salts, assertion)).not.toEqual(secrets);
          });
        }
      }

      it('with user verification tells what such assertions tell (HMC-01, HMC-02)', async () => {
        const key = new Key();
        const client = new PinClient(key, protocol);
        await client.setPin(pin);
        const { creation } = await withUv(client);
        const agreement = await client.agree();
        const input = hmacSecretInput(agreement, salt1);
        const registration = await key.register({ ...discoverable, ...creation, 6: wanted(input, 'hmac-secret-mc') });
        const secrets = secretsIn(registration.data, agreement, 'hmac-secret-mc');
        expect(await derive(client, registration, salt1, (await withUv(client)).assertion)).toEqual(secrets);
        expect(await derive(client, registration, salt1)).not.toEqual(secrets);
      });

      it('needs hmac-secret beside it (HMC-03)', async () => {
        const key = new Key();
        const input = hmacSecretInput(await new PinClient(key, protocol).agree(), salt1);
        for (const extensions of [{}, { 'hmac-secret': false }]) {
          const { status } = await key.makeCredential({ 6: map({ ...extensions, 'hmac-secret-mc': input }) });
          expect(status).toBe(Status.MISSING_PARAMETER);
        }
      });

      it('is a map, with whole salts, and nothing in assertions (HMC-04)', async () => {
        const key = new Key();
        for (const value of [true, new Uint8Array(32), 'x']) {
          const { status } = await key.makeCredential({ 6: wanted(value, 'hmac-secret-mc') });
          expect(status).toBe(Status.CBOR_UNEXPECTED_TYPE);
        }
        for (const length of [16, 48]) {
          const input = hmacSecretInput(await new PinClient(key, protocol).agree(), randomBytes(length));
          const { status } = await key.makeCredential({ 6: wanted(input, 'hmac-secret-mc') });
          expect(status).toBe(Status.INVALID_PARAMETER);
        }
        const registration = await key.register(discoverable);
        const { data } = await key.signIn([registration], { 4: map({ 'hmac-secret-mc': true }) });
        expect(data.extensions).toBeUndefined();
      });
    });
  });
}

it('takes a missing protocol for one', async () => {
  const key = new Key();
  const registration = await key.register(discoverable);
  const agreement = await new PinClient(key, 1).agree();
  const input = new Map<number, Value>([...(hmacSecretInput(agreement, salt1) as Map<number, Value>), [4, 1]]);
  const explicit = await key.signIn([registration], { 4: map({ 'hmac-secret': input }) });
  input.delete(4);
  const implicit = await key.signIn([registration], { 4: map({ 'hmac-secret': input }) });
  expect(secretsIn(implicit.data, agreement)).toEqual(secretsIn(explicit.data, agreement));
});

for (const [name, makeCrypto] of Object.entries({ noble: createNobleCrypto, openssl: createOpensslCrypto })) {
  describe(`the vectors of WebAuthn Level 3, with ${name}`, () => {
    it('start from salts that the prf extension makes', () => {
      expect(vectors.prfInputs.map((input) => Buffer.from(prfSalt(hex(input))).toString('hex'))).toEqual(vectors.salts);
    });

    for (const { protocol, salts, saltEnc, saltAuth, outputEnc } of vectors.exchanges) {
      it(`are answered byte by byte: protocol ${protocol}, salts: ${salts}`, async () => {
        const own = makeCrypto();
        let next: 'credential' | 'key agreement' = 'credential';
        const crypto: Crypto = {
          ...own,
          algorithms: own.algorithms,
          generateKeyPair: (algorithm) => (next === 'credential' ? own.generateKeyPair(algorithm) : authenticator),
          // The only random bytes that an answer has are the IV of protocol two.
          randomBytes: (length) => (length === 16 ? hex(outputEnc).slice(0, 16) : own.randomBytes(length)),
        };
        const key = new Key({ crypto });
        const registration = await key.register(discoverable);
        const credential = key.environment.vault.credential(registration.credentialId);
        if (!credential) throw new Error('no credential');
        const credRandom = { withUV: new Uint8Array(32), withoutUV: hex(vectors.credRandom) };
        await key.environment.vault.update((tx) => tx.putCredential({ ...credential, credRandom }));

        next = 'key agreement';
        const input = new Map<number, Value>([
          [1, platformKey],
          [2, hex(saltEnc)],
          [3, hex(saltAuth)],
          [4, protocol],
        ]);
        const response = await key.getAssertion({ 4: map({ 'hmac-secret': input }) });
        const { data } = verified(response, [registration]);
        expect(data.extensions).toEqual(new Map([['hmac-secret', hex(outputEnc)]]));
        const { coseKey, decrypt } = agree(protocol as 1 | 2, authenticatorKey, hex(vectors.platformPrivateKey));
        expect(coseKey).toEqual(platformKey);
        expect(Buffer.from(decrypt(hex(outputEnc))).toString('hex')).toBe(vectors.outputs.slice(0, salts).join(''));
      });
    }
  });
}

const authenticator = {
  privateKey: hex(vectors.authenticatorPrivateKey),
  publicKey: hex(`04${vectors.authenticatorX}${vectors.authenticatorY}`),
};
const authenticatorKey = new Map<number, Value>([
  [-2, hex(vectors.authenticatorX)],
  [-3, hex(vectors.authenticatorY)],
]);
const platformKey = new Map<number, Value>([
  [1, 2],
  [3, -25],
  [-1, 1],
  [-2, hex(vectors.platformX)],
  [-3, hex(vectors.platformY)],
]);
