import { describe, expect, it } from 'vitest';
import { Status } from '../../../ctap/status.ts';
import { type Changes, Command, descriptor, Key, map, user } from '../../support/key.ts';
import { Permission, PinClient } from '../../support/pin-client.ts';
import * as platform from '../../support/platform.ts';

const pin = '1234';
const silent = { 5: map({ up: false, uv: false }) };
const kinds = [
  ['discoverable', { 7: map({ rk: true }) }],
  ['sealed', {}],
] as const;
const protect = (level: platform.Value) => ({ 6: map({ credProtect: level }) });

async function tokenFor(key: Key) {
  const client = new PinClient(key);
  if (!key.environment.vault.device.pin) await client.setPin(pin);
  return client.token(pin, Permission.mc | Permission.ga);
}

describe('credProtect', () => {
  for (const [kind, options] of kinds) {
    const expectations = [
      [1, 'CP-01', Status.OK, kind === 'discoverable' ? Status.OK : Status.NO_CREDENTIALS],
      [2, 'CP-02', Status.OK, Status.NO_CREDENTIALS],
      [3, 'CP-03', Status.NO_CREDENTIALS, Status.NO_CREDENTIALS],
    ] as const;
    for (const [level, id, withId, withoutId] of expectations) {
      describe(`level ${level}, ${kind}`, () => {
        it(`decides who may use the credential without user verification (${id})`, async () => {
          const key = new Key();
          const { credentialId } = await key.register({ ...options, ...protect(level) });
          const allowList = { 3: [descriptor(credentialId)] };
          for (const touch of [silent, {}]) {
            expect((await key.getAssertion({ ...touch, ...allowList })).status).toBe(withId);
            expect((await key.getAssertion(touch)).status).toBe(withoutId);
          }
        });

        it(`leaves the credential to a user who was verified (${id})`, async () => {
          const key = new Key();
          const registration = await key.register({ ...options, ...protect(level) });
          const token = await tokenFor(key);
          const request = { ...token.forGetAssertion, 3: [descriptor(registration.credentialId)] };
          expect((await key.signIn([registration], request)).data.flags).toBe(0x05);
          const again = await tokenFor(key);
          const discovered = await key.getAssertion(again.forGetAssertion);
          expect(discovered.status).toBe(kind === 'discoverable' ? Status.OK : Status.NO_CREDENTIALS);
        });

        it('is answered with the level (CP-04)', async () => {
          const { data } = await new Key().register({ ...options, ...protect(level) });
          expect(data.extensions).toEqual(new Map([['credProtect', level]]));
        });

        it(`${level === 3 ? 'hides' : 'shows'} the credential to an excludeList, and shows it after UV (MC-EXC-05)`, async () => {
          const key = new Key();
          const { credentialId } = await key.register({ ...options, ...protect(level) });
          const excludeList = { 3: user('bob'), 5: [descriptor(credentialId)] };
          const expected = level === 3 ? Status.OK : Status.CREDENTIAL_EXCLUDED;
          expect((await key.makeCredential(excludeList)).status).toBe(expected);
          const token = await tokenFor(key);
          const { status } = await key.makeCredential({ ...excludeList, ...token.forMakeCredential });
          expect(status).toBe(Status.CREDENTIAL_EXCLUDED);
        });

        it(`is ${level === 3 ? 'not for' : 'no matter to'} U2F`, async () => {
          const key = new Key();
          const { credentialId } = await key.register({ ...options, ...protect(level) });
          const apdu = (control: number) =>
            platform.authenticateApdu(control, new Uint8Array(32), platform.sha256('example.org'), credentialId);
          const unknown = (
            await key.u2f(platform.authenticateApdu(7, new Uint8Array(32), new Uint8Array(32), credentialId))
          ).word;
          expect((await key.u2f(apdu(7))).word).toBe(level === 3 ? unknown : 0x6985);
          expect((await key.u2f(apdu(8))).word).toBe(level === 3 ? unknown : 0x9000);
        });
      });
    }
  }

  it('is silent when nobody asks, and the level is 1 (CP-04)', async () => {
    const key = new Key();
    const { credentialId, data } = await key.register({ 7: map({ rk: true }) });
    expect(data.extensions).toBeUndefined();
    expect(key.environment.vault.credential(credentialId)?.credProtect).toBe(1);
  });

  it('does not exist in assertions', async () => {
    const key = new Key();
    const registration = await key.register({ 7: map({ rk: true }), ...protect(1) });
    const { data } = await key.signIn([registration], { 4: map({ credProtect: 3 }) });
    expect(data.extensions).toBeUndefined();
  });

  it('counts only the accounts that it lets be used', async () => {
    const key = new Key();
    const registrations: platform.Registration[] = [];
    for (const [name, level] of [
      ['alice', 1],
      ['bob', 2],
      ['carol', 3],
      ['dave', 1],
    ] as const) {
      registrations.push(await key.register({ 3: user(name), 7: map({ rk: true }), ...protect(level) }));
    }
    const first = await key.signIn(registrations);
    expect([first.numberOfCredentials, first.credentialId]).toEqual([2, registrations[3]?.credentialId]);
    expect((await key.send(Command.getNextAssertion)).status).toBe(Status.OK);
    expect((await key.send(Command.getNextAssertion)).status).toBe(Status.NOT_ALLOWED);
    const token = await tokenFor(key);
    expect((await key.signIn(registrations, token.forGetAssertion)).numberOfCredentials).toBe(4);
  });

  it('of an allowList takes the first credential that it lets be used', async () => {
    const key = new Key();
    const hidden = await key.register(protect(3));
    const open = await key.register({ 3: user('bob') });
    const allowList = [descriptor(hidden.credentialId), descriptor(open.credentialId)];
    expect((await key.signIn([hidden, open], { 3: allowList })).credentialId).toEqual(open.credentialId);
  });

  const refusals: [platform.Value, number][] = [
    [0, Status.INVALID_PARAMETER],
    [4, Status.INVALID_PARAMETER],
    [Number.MAX_SAFE_INTEGER, Status.INVALID_PARAMETER],
    [-1, Status.CBOR_UNEXPECTED_TYPE],
    ['1', Status.CBOR_UNEXPECTED_TYPE],
    [true, Status.CBOR_UNEXPECTED_TYPE],
    [new Uint8Array(1), Status.CBOR_UNEXPECTED_TYPE],
  ];
  for (const [level, status] of refusals) {
    it(`refuses ${typeof level} ${String(level)} with 0x${status.toString(16)}, without asking (CP-05)`, async () => {
      const key = new Key();
      const changes: Changes = protect(level);
      expect((await key.makeCredential(changes)).status).toBe(status);
      expect(key.gate.prompts).toEqual([]);
    });
  }
});
