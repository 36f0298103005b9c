// Attestation statements of every kind, verified by the independent client and by the libraries of real sites.
// WebAuthn §8.2, §8.6, §8.7; CTAP 2.2 §6.1.2 steps 9 and 19.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ml_dsa44, ml_dsa65 } from '@noble/post-quantum/ml-dsa.js';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { defaultPolicy, profiles } from '../../ctap/policy.ts';
import { type Attestation, openAttestation } from '../../src/attestation.ts';
import { createOpensslCrypto } from '../../src/openssl.ts';
import { Command, Key, map, rpId } from '../support/key.ts';
import * as platform from '../support/platform.ts';
import {
  fido2Lib,
  fido2LibSignIn,
  passwordlessId,
  passwordlessIdSignIn,
  registerInBrowser,
  signInInBrowser,
  simpleWebAuthn,
  simpleWebAuthnSignIn,
} from '../support/relying-parties.ts';

const directory = mkdtempSync(join(tmpdir(), 'passfob-ctap-attestation-'));
const crypto = createOpensslCrypto();
const params = (...algorithms: number[]) => algorithms.map((alg) => map({ alg, type: 'public-key' }));
const Status = { INVALID_PARAMETER: 0x02, CBOR_UNEXPECTED_TYPE: 0x11, INVALID_OPTION: 0x2c };
let attestation: Attestation;

beforeAll(async () => {
  attestation = await openAttestation(directory, defaultPolicy.aaguid);
  platform.postQuantum.verify = (alg, publicKey, signed, signature) =>
    (alg === -48 ? ml_dsa44 : ml_dsa65).verify(signature, signed, publicKey);
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

const selfKey = () => new Key({ crypto, policy: profiles.full });
const certificateKey = () =>
  new Key({ crypto, policy: profiles.full, environment: { attestation: attestation.model } });

async function enterpriseKey(enabled = true): Promise<Key> {
  const policy = { ...profiles.full, enterpriseRpIds: [rpId] };
  const key = new Key({ crypto, policy, environment: { enterpriseAttestation: attestation.enterprise } });
  await key.environment.vault.update((tx) => tx.setDevice({ enterpriseAttestation: enabled }));
  return key;
}

describe('self attestation, the default', () => {
  it.each(profiles.full.advertisedAlgorithms)(
    'is signed with the new key of algorithm %i, which it names (ATT-01, ATT-02)',
    async (alg) => {
      const { fmt, certificates } = await selfKey().register({ 4: params(alg) });
      expect([fmt, certificates]).toEqual(['packed', []]);
    },
  );

  it.each([
    { preference: undefined, fmt: 'packed' },
    { preference: [], fmt: 'packed' },
    { preference: ['none'], fmt: 'none' },
    { preference: ['packed'], fmt: 'packed' },
    { preference: ['tpm', 'none', 'packed'], fmt: 'none' },
    { preference: ['tpm', 'packed', 'none'], fmt: 'packed' },
    { preference: ['tpm', 'fido-u2f'], fmt: 'packed' },
  ])('answers the preference $preference with $fmt (ATT-07, MC-REQ-12)', async ({ preference, fmt }) => {
    const changes = preference === undefined ? {} : { 11: preference };
    expect((await selfKey().register(changes)).fmt).toBe(fmt);
  });

  it.each(['none', 1, [1], ['packed', 1]])(
    'refuses the preference %j, which is no list of texts (MC-REQ-13)',
    async (odd) => {
      const { status } = await selfKey().makeCredential({ 11: odd });
      expect(status).toBe(Status.CBOR_UNEXPECTED_TYPE);
    },
  );

  it('can be made the exception: none, unless the client asks for packed', async () => {
    const key = new Key({ crypto, policy: { attestsByDefault: false } });
    expect((await key.register()).fmt).toBe('none');
    expect((await key.register({ 11: ['packed'] })).fmt).toBe('packed');
    expect((await key.send(Command.getInfo)).members.get(0x16)).toEqual(['packed']);
  });
});

describe('attestation with a certificate', () => {
  it.each(profiles.full.advertisedAlgorithms)(
    'vouches for a key of algorithm %i as ES256 (ATT-01, ATT-03)',
    async (alg) => {
      const { fmt, certificates } = await certificateKey().register({ 4: params(alg) });
      expect(fmt).toBe('packed');
      expect(certificates.map(({ raw }) => new Uint8Array(raw))).toEqual(attestation.model.certificates);
    },
  );

  it('is fido-u2f for ES256, where the client prefers that (ATT-07)', async () => {
    const key = certificateKey();
    const { fmt, data } = await key.register({ 11: ['fido-u2f', 'packed'] });
    // U2F knows no models.
    expect([fmt, data.attested?.aaguid]).toEqual(['fido-u2f', new Uint8Array(16)]);
    expect((await key.register({ 4: params(-8), 11: ['fido-u2f', 'packed'] })).fmt).toBe('packed');
    expect((await key.register({ 11: ['none'] })).fmt).toBe('none');
  });

  it('names its formats in getInfo, without none', async () => {
    expect((await certificateKey().send(Command.getInfo)).members.get(0x16)).toEqual(['packed', 'fido-u2f']);
    expect((await selfKey().send(Command.getInfo)).members.get(0x16)).toEqual(['packed']);
  });

  it('is what U2F registrations carry, too', async () => {
    const [challenge, application] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
    const { word, data } = await certificateKey().u2f(platform.registerApdu(challenge, application));
    expect(word).toBe(0x9000);
    const { certificate } = platform.verifyU2fRegistration(data, challenge, application);
    expect(new Uint8Array(certificate.raw)).toEqual(attestation.model.certificates[0]);
  });
});

describe('enterprise attestation', () => {
  it.each([1, 2])('of value %i is an INVALID_PARAMETER where there is none (EA-01)', async (value) => {
    expect((await selfKey().makeCredential({ 10: value })).status).toBe(Status.INVALID_PARAMETER);
  });

  it.each([0, 1, 2, 3])('of value %i is an INVALID_PARAMETER where it is not enabled (EA-01)', async (value) => {
    const key = await enterpriseKey(false);
    expect((await key.makeCredential({ 10: value })).status).toBe(Status.INVALID_PARAMETER);
    expect(key.gate.prompts).toEqual([]);
  });

  it('shows in getInfo as the option ep: absent, off, on, off after a reset (EA-02, EA-03, RST-04)', async () => {
    const ep = async (key: Key) => {
      const options = (await key.send(Command.getInfo)).members.get(4);
      return options instanceof Map ? options.get('ep') : 'no options';
    };
    expect(await ep(selfKey())).toBeUndefined();
    expect(await ep(await enterpriseKey(false))).toBe(false);
    const enabled = await enterpriseKey();
    expect(await ep(enabled)).toBe(true);
    await enabled.send(Command.reset);
    expect(await ep(enabled)).toBe(false);
  });

  it('goes to a listed relying party, or wherever the platform decides (EA-04)', async () => {
    const key = await enterpriseKey();
    for (const changes of [{ 10: 1 }, { 10: 2 }, { 10: 2, 2: map({ id: 'example.com' }) }, { 10: 1, 11: ['packed'] }]) {
      const { fmt, certificates, epAtt } = await key.register(changes);
      expect([fmt, epAtt]).toEqual(['packed', true]);
      expect(certificates.map(({ raw }) => new Uint8Array(raw))).toEqual(attestation.enterprise.certificates);
    }
  });

  it('is ordinary attestation for a relying party that is not listed (EA-05)', async () => {
    const key = await enterpriseKey();
    const { certificates, epAtt } = await key.register({ 10: 1, 2: map({ id: 'example.com' }) });
    expect([certificates, epAtt]).toEqual([[], false]);
    expect((await key.register()).epAtt).toBe(false);
  });

  it('is not forced on a client that wants none', async () => {
    const { fmt, epAtt } = await (await enterpriseKey()).register({ 10: 1, 11: ['none'] });
    expect([fmt, epAtt]).toEqual(['none', false]);
  });

  it('knows no other values (EA-06)', async () => {
    const key = await enterpriseKey();
    expect((await key.makeCredential({ 10: 0 })).status).toBe(Status.INVALID_OPTION);
    expect((await key.makeCredential({ 10: 3 })).status).toBe(Status.INVALID_OPTION);
    expect((await key.makeCredential({ 10: 'one' })).status).toBe(Status.CBOR_UNEXPECTED_TYPE);
  });
});

describe('the libraries of real sites', () => {
  // Seeded, with deterministic signatures: @passwordless-id/webauthn misreads the shorter ones, one in a hundred.
  const seededKey = () => new Key({ policy: profiles.full });

  it.each([-7, -8, -35, -36])(
    'accept self attestation, none and sign-ins of algorithm %i: @simplewebauthn/server',
    async (alg) => {
      for (const format of ['packed', 'none']) {
        const key = selfKey();
        const registration = await registerInBrowser(key, { 4: params(alg), 11: [format] });
        expect(registration.fmt).toBe(format);
        expect(await simpleWebAuthn(registration, [alg])).toBe(true);
        expect(await simpleWebAuthnSignIn(registration, await signInInBrowser(key, registration))).toBe(true);
      }
    },
  );

  it.each(['packed', 'fido-u2f'])(
    'accept %s under a certificate, with its root: @simplewebauthn/server',
    async (format) => {
      const registration = await registerInBrowser(certificateKey(), { 11: [format] });
      expect(registration.fmt).toBe(format);
      expect(await simpleWebAuthn(registration, [-7], attestation.root)).toBe(true);
    },
  );

  it.each(['packed', 'none', 'fido-u2f'])('accept %s, and a sign-in after it: fido2-lib', async (format) => {
    for (const key of format === 'fido-u2f' ? [certificateKey()] : [selfKey(), certificateKey()]) {
      const registration = await registerInBrowser(key, { 11: [format] });
      expect(await fido2Lib(registration)).toEqual({ fmt: format, passed: true });
      expect(await fido2LibSignIn(registration, await signInInBrowser(key, registration))).toBe(true);
    }
  });

  it.each([
    { alg: -7, name: 'ES256' },
    { alg: -8, name: 'EdDSA' },
  ])('accept a registration of algorithm $name: @passwordless-id/webauthn', async ({ alg, name }) => {
    for (const key of [seededKey(), certificateKey()]) {
      expect(await passwordlessId(await registerInBrowser(key, { 4: params(alg) }))).toBe(name);
    }
  });

  it('accept a sign-in with ES256: @passwordless-id/webauthn', async () => {
    const key = seededKey();
    const registration = await registerInBrowser(key, {});
    expect(await passwordlessIdSignIn(registration, await signInInBrowser(key, registration))).toBe(true);
  });
});
