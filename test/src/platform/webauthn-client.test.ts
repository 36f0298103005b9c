import { createHash, createPublicKey, verify } from 'node:crypto';
import type {
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
} from '@simplewebauthn/server';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { type CborMap, type CborValue, decodeCbor, encodeCbor } from '../../../ctap/cbor.ts';
import { CtapClient } from '../../../src/platform/ctap-client.ts';
import { createCredential, getCredential } from '../../../src/platform/webauthn-client.ts';
import { DirectChannel, scriptedChannel } from './direct-channel.ts';

const origin = 'https://login.example.com';
const creation: PublicKeyCredentialCreationOptionsJSON = {
  rp: { id: 'example.com', name: 'Example' },
  user: { id: 'AQID', name: 'ada', displayName: 'Ada' },
  challenge: 'Y2hhbGxlbmdl',
  pubKeyCredParams: [{ type: 'public-key', alg: -7 }],
};
const request: PublicKeyCredentialRequestOptionsJSON = { rpId: 'example.com', challenge: 'YWdhaW4' };
const makeCredential = 0x01;
const getAssertion = 0x02;

let channel: DirectChannel;
let ctap: CtapClient;
beforeEach(() => {
  channel = new DirectChannel();
  ctap = new CtapClient(channel);
});
afterEach(() => {
  vi.useRealTimers();
});

const decode = (base64url: string) => decodeCbor(Uint8Array.from(Buffer.from(base64url, 'base64url'))) as CborMap;
const withSelection = (authenticatorSelection: PublicKeyCredentialCreationOptionsJSON['authenticatorSelection']) => ({
  ...creation,
  ...(authenticatorSelection && { authenticatorSelection }),
});
/** The answer to getInfo of a key with these options, and whatever else. */
const infoOf = (options: Record<string, boolean>, more: [number, CborValue][] = []) =>
  Uint8Array.of(
    0,
    ...encodeCbor(
      new Map<number, CborValue>([
        [1, ['FIDO_2_0']],
        [3, new Uint8Array(16)],
        [4, new Map(Object.entries(options))],
        ...more,
      ]),
    ),
  );

describe('a registration', () => {
  it('signs the hash of client data that names challenge and origin', async () => {
    const { response } = await createCredential(ctap, creation, { origin });

    const clientDataJSON = Buffer.from(response.clientDataJSON, 'base64url');
    expect(clientDataJSON.toString()).toBe(
      '{"type":"webauthn.create","challenge":"Y2hhbGxlbmdl","origin":"https://login.example.com","crossOrigin":false}',
    );
    const [parameters] = channel.parametersOf(makeCredential);
    expect(parameters?.get(1)).toEqual(new Uint8Array(createHash('sha256').update(clientDataJSON).digest()));
    expect(parameters?.get(2)).toEqual(new Map(Object.entries(creation.rp)));
  });

  it('takes the statement away where no attestation is asked for, and leaves the AAGUID', async () => {
    const { response } = await createCredential(ctap, creation, { origin });

    const attestation = decode(response.attestationObject);
    expect([attestation.get('fmt'), attestation.get('attStmt')]).toEqual(['none', new Map()]);
    const authData = attestation.get('authData') as Uint8Array;
    expect(Buffer.from(authData.subarray(37, 53)).toString('hex')).toBe('f09a41a523524e648438a09860401cfb');
    expect(response.authenticatorData).toBe(Buffer.from(authData).toString('base64url'));
  });

  it('passes the statement on where attestation is direct', async () => {
    const { response } = await createCredential(ctap, { ...creation, attestation: 'direct' }, { origin });

    const attestation = decode(response.attestationObject);
    expect(attestation.get('fmt')).toBe('packed');
    expect([...(attestation.get('attStmt') as CborMap).keys()]).toEqual(['alg', 'sig']);
  });

  it('gives the public key in a form that verifies a later sign-in', async () => {
    const { id, response } = await createCredential(ctap, creation, { origin });
    const allowCredentials = [{ type: 'public-key' as const, id }];
    const signedIn = await getCredential(ctap, { ...request, allowCredentials }, { origin });

    const key = createPublicKey({
      key: Buffer.from(response.publicKey ?? '', 'base64url'),
      format: 'der',
      type: 'spki',
    });
    const { clientDataJSON, authenticatorData, signature } = signedIn.response;
    const hash = createHash('sha256').update(Buffer.from(clientDataJSON, 'base64url')).digest();
    const signed = Buffer.concat([Buffer.from(authenticatorData, 'base64url'), hash]);
    expect(verify('sha256', signed, key, Buffer.from(signature, 'base64url'))).toBe(true);
    expect(response.publicKeyAlgorithm).toBe(-7);
  });

  it('says how the key is reached and what kind of credential it made', async () => {
    const options = { ...withSelection({ residentKey: 'preferred' }), extensions: { credProps: true } };
    const result = await createCredential(ctap, options, { origin });

    expect(result.response.transports).toEqual(['usb']);
    expect(result.authenticatorAttachment).toBe('cross-platform');
    expect(result.clientExtensionResults).toEqual({ credProps: { rk: true } });
    expect(channel.parametersOf(makeCredential)[0]?.get(7)).toEqual(new Map([['rk', true]]));
  });

  it.each([
    [{ residentKey: 'required' }, true],
    [{ residentKey: 'preferred' }, true],
    [{ residentKey: 'discouraged', requireResidentKey: true }, false],
    [{ requireResidentKey: true }, true],
    [{}, false],
  ] as const)('understands %j', async (selection, discoverable) => {
    await createCredential(ctap, withSelection(selection), { origin });

    expect(channel.parametersOf(makeCredential)[0]?.has(7)).toBe(discoverable);
  });

  it('fails with InvalidStateError at a key that is registered', async () => {
    const { id } = await createCredential(ctap, creation, { origin });
    const excludeCredentials = [{ type: 'public-key' as const, id }];

    const again = createCredential(ctap, { ...creation, excludeCredentials }, { origin });

    await expect(again).rejects.toMatchObject({ name: 'InvalidStateError' });
    expect(channel.environment.gate.prompts.at(-1)?.kind).toBe('already-registered');
  });

  it('searches a list longer than the key takes in parts, silently', async () => {
    const { id } = await createCredential(ctap, creation, { origin });
    const decoys = Array.from({ length: 150 }, (_, i) => Buffer.alloc(32, i).toString('base64url'));
    const excludeCredentials = [...decoys, id].map((each) => ({ type: 'public-key' as const, id: each }));

    const again = createCredential(ctap, { ...creation, excludeCredentials }, { origin });

    await expect(again).rejects.toMatchObject({ name: 'InvalidStateError' });
    const sizes = channel.parametersOf(getAssertion).map((each) => (each.get(3) as unknown[]).length);
    expect(sizes).toEqual([64, 64, 23]);
    expect(channel.environment.gate.prompts).toHaveLength(2);
  });

  it.each([
    ['a discoverable credential', { residentKey: 'required' }, { rk: false }, 'ConstraintError'],
    ['user verification', { userVerification: 'required' }, { rk: true }, 'ConstraintError'],
    ['user verification', { userVerification: 'required' }, { rk: true, clientPin: true }, 'ConstraintError'],
    ['a platform authenticator', { authenticatorAttachment: 'platform' }, {}, 'NotAllowedError'],
  ] as const)('refuses %s that the key does not have', async (_, selection, options, name) => {
    const incapable = new CtapClient(scriptedChannel(infoOf(options)));

    await expect(createCredential(incapable, withSelection(selection), { origin })).rejects.toMatchObject({ name });
  });

  it('asks a key that can to verify its user, unless that is discouraged', async () => {
    const askedFor = async (userVerification: 'preferred' | 'discouraged') => {
      const scripted = scriptedChannel(infoOf({ uv: true }), Uint8Array.of(0x27));
      const options = withSelection({ userVerification });
      await createCredential(new CtapClient(scripted), options, { origin }).catch(() => {});
      return (decodeCbor(scripted.requests[1]?.subarray(1) ?? new Uint8Array()) as CborMap).get(7);
    };

    expect(await askedFor('preferred')).toEqual(new Map([['uv', true]]));
    expect(await askedFor('discouraged')).toBeUndefined();
  });

  it.each([
    ['declined', 'NotAllowedError'],
    ['timed-out', 'NotAllowedError'],
  ] as const)('fails when the person has %s', async (answer, name) => {
    channel.environment.gate.script = answer;

    await expect(createCredential(ctap, creation, { origin })).rejects.toMatchObject({ name });
  });

  it('fails with NotSupportedError without an algorithm in common', async () => {
    const options = { ...creation, pubKeyCredParams: [{ type: 'public-key' as const, alg: -257 }] };

    await expect(createCredential(ctap, options, { origin })).rejects.toMatchObject({ name: 'NotSupportedError' });
  });

  it('does not reach the key from a foreign origin', async () => {
    const attempt = createCredential(ctap, creation, { origin: 'https://example.org' });

    await expect(attempt).rejects.toMatchObject({ name: 'SecurityError' });
    expect(channel.requests).toEqual([]);
  });

  it('ends when its time is over', async () => {
    vi.useFakeTimers();
    const { gate } = channel.environment;
    gate.script = 'nothing';
    const attempt = createCredential(ctap, { ...creation, timeout: 60_000 }, { origin }).catch(
      (error: unknown) => error,
    );
    await gate.nextPrompt;

    await vi.advanceTimersByTimeAsync(60_000);

    expect(await attempt).toMatchObject({ name: 'NotAllowedError', message: 'nobody answered in time' });
    expect(gate.open).toBe(0);
  });

  it('ends when its caller aborts', async () => {
    const { gate } = channel.environment;
    gate.script = 'nothing';
    const controller = new AbortController();
    const attempt = createCredential(ctap, creation, { origin, signal: controller.signal }).catch(
      (error: unknown) => error,
    );
    await gate.nextPrompt;

    controller.abort();

    expect(await attempt).toMatchObject({ name: 'AbortError' });
    expect(gate.open).toBe(0);
  });

  it('does not begin for a caller who has aborted', async () => {
    const attempt = createCredential(ctap, creation, { origin, signal: AbortSignal.abort() });

    await expect(attempt).rejects.toMatchObject({ name: 'AbortError' });
    expect(channel.requests).toEqual([]);
  });

  it('is UnknownError with a key that talks nonsense', async () => {
    const broken = new CtapClient(scriptedChannel(infoOf({}), Uint8Array.of(0, 0xff)));

    await expect(createCredential(broken, creation, { origin })).rejects.toMatchObject({ name: 'UnknownError' });
  });
});

describe('a sign-in', () => {
  const discoverable = withSelection({ residentKey: 'required' });

  it('names the account where the site named none', async () => {
    const { id } = await createCredential(ctap, discoverable, { origin });

    const result = await getCredential(ctap, request, { origin });

    expect(result).toMatchObject({ id, rawId: id, response: { userHandle: 'AQID' } });
    expect(JSON.parse(Buffer.from(result.response.clientDataJSON, 'base64url').toString())).toMatchObject({
      type: 'webauthn.get',
      challenge: 'YWdhaW4',
    });
  });

  it('lets the caller choose among several accounts', async () => {
    await createCredential(ctap, discoverable, { origin });
    await createCredential(ctap, { ...discoverable, user: { id: 'CQ', name: 'bob', displayName: '' } }, { origin });
    const offered: (string | undefined)[] = [];
    const chooseAccount = async (accounts: readonly ({ name?: string } | undefined)[]) => {
      offered.push(...accounts.map((account) => account?.name));
      return 1;
    };

    const chosen = await getCredential(ctap, request, { origin, chooseAccount });
    const newest = await getCredential(ctap, request, { origin });

    expect(offered).toHaveLength(2);
    expect(chosen.response.userHandle).toBe('AQID');
    expect(newest.response.userHandle).toBe('CQ');
  });

  it('finds its credential in a list longer than the key takes', async () => {
    const { id } = await createCredential(ctap, creation, { origin });
    const decoys = Array.from({ length: 70 }, (_, i) => Buffer.alloc(32, i).toString('base64url'));
    const allowCredentials = [...decoys, id].map((each) => ({ type: 'public-key' as const, id: each }));

    const result = await getCredential(ctap, { ...request, allowCredentials }, { origin });

    expect(result.id).toBe(id);
  });

  it('never falls back to any credential when none of the list can be on the key', async () => {
    await createCredential(ctap, discoverable, { origin });
    const tooLong = Buffer.alloc(300).toString('base64url');

    const attempt = getCredential(
      ctap,
      { ...request, allowCredentials: [{ type: 'public-key', id: tooLong }] },
      { origin },
    );

    await expect(attempt).rejects.toMatchObject({ name: 'NotAllowedError' });
    expect(channel.parametersOf(getAssertion)).toEqual([]);
  });

  it('fails with NotAllowedError at a key that does not know the account', async () => {
    await expect(getCredential(ctap, request, { origin })).rejects.toMatchObject({ name: 'NotAllowedError' });
  });

  it('takes the one credential of the list if an old key does not name it', async () => {
    const answer = new Map<number, CborValue>([
      [2, new Uint8Array(37)],
      [3, Uint8Array.of(1)],
    ]);
    const old = new CtapClient(scriptedChannel(infoOf({}), Uint8Array.of(0, ...encodeCbor(answer))));

    const result = await getCredential(
      old,
      { ...request, allowCredentials: [{ type: 'public-key', id: 'AQ' }] },
      { origin },
    );

    expect(result.id).toBe('AQ');
    expect(result.response.userHandle).toBeUndefined();
  });
});
