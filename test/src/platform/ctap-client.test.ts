import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CborMap, decodeCbor } from '../../../ctap/cbor.ts';
import { CtapClient } from '../../../src/platform/ctap-client.ts';
import { CtapStatusError } from '../../../src/platform/ctap-status-error.ts';
import { DirectChannel, scriptedChannel } from './direct-channel.ts';

const clientDataHash = new Uint8Array(32).fill(1);
const rp = { id: 'example.com', name: 'Example' };
const user = { id: Uint8Array.of(1, 2, 3), name: 'ada', displayName: 'Ada' };
const registration = { clientDataHash, rp, user, algorithms: [-257, -7] };

describe('the CTAP client', () => {
  it('sends commands without parameters as one byte', async () => {
    const channel = scriptedChannel(Uint8Array.of(0), Uint8Array.of(0));
    const client = new CtapClient(channel);

    await client.selection();
    await client.reset();

    expect(channel.requests).toEqual([Uint8Array.of(0x0b), Uint8Array.of(0x07)]);
  });

  it('leaves out options that are false and lists that are empty', async () => {
    const channel = scriptedChannel(Uint8Array.of(0x27));

    await new CtapClient(channel)
      .makeCredential({ ...registration, excludeList: [], rk: false, uv: false })
      .catch(() => {});

    const [request = new Uint8Array()] = channel.requests;
    expect(request[0]).toBe(0x01);
    expect([...(decodeCbor(request.subarray(1)) as CborMap).keys()]).toEqual([1, 2, 3, 4]);
  });

  it('registers with a key, finds the credential there, and signs in', async () => {
    const client = new CtapClient(new DirectChannel());

    const created = await client.makeCredential({ ...registration, rk: true });
    const assertion = await client.getAssertion({ rpId: rp.id, clientDataHash });

    expect(created.fmt).toBe('packed');
    expect(created.attStmt.get('alg')).toBe(-7);
    expect(assertion.user?.id).toEqual(user.id);
    expect(assertion.numberOfCredentials).toBe(1);
    expect(Buffer.from(created.authData).includes(Buffer.from(assertion.credentialId ?? []))).toBe(true);
  });

  it('gets every assertion that the key counts', async () => {
    const client = new CtapClient(new DirectChannel());
    await client.makeCredential({ ...registration, rk: true });
    await client.makeCredential({ ...registration, user: { id: Uint8Array.of(9), name: 'bob' }, rk: true });

    const first = await client.getAssertion({ rpId: rp.id, clientDataHash });
    const second = await client.getNextAssertion();

    expect(first.numberOfCredentials).toBe(2);
    expect([first.user?.id, second.user?.id]).toEqual([Uint8Array.of(9), user.id]);
  });

  it('names the status that a key refuses with', async () => {
    const client = new CtapClient(new DirectChannel());

    const refusal = await client.getAssertion({ rpId: rp.id, clientDataHash }).catch((error: unknown) => error);

    expect(refusal).toBeInstanceOf(CtapStatusError);
    expect(refusal).toMatchObject({ status: 0x2e, statusName: 'NO_CREDENTIALS' });
    expect(String(refusal)).toContain('the key has no credential for this site (0x2e NO_CREDENTIALS)');
  });

  it('reports a status that no specification names by its number', () => {
    expect(new CtapStatusError(0xf2)).toMatchObject({ statusName: undefined, message: 'the key refused (0xf2)' });
  });

  it('refuses an answer without a status', async () => {
    await expect(new CtapClient(scriptedChannel(new Uint8Array())).getInfo()).rejects.toThrow('status byte');
  });

  it('answers whatever bytes a key sends with a result or an error, never with something half read', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async (bytes) => {
        const client = new CtapClient(scriptedChannel(Uint8Array.of(0, ...bytes)));
        const outcome = await client.makeCredential(registration).catch((error: unknown) => error);
        expect(outcome).toMatchObject({ name: 'CtapError' });
      }),
    );
  });
});
