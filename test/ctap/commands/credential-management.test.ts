import { describe, expect, it } from 'vitest';
import { Status } from '../../../ctap/status.ts';
import { type Changes, Command, descriptor, Key, map, rpId, user } from '../../support/key.ts';
import { Permission, PinClient, type Token } from '../../support/pin-client.ts';
import * as platform from '../../support/platform.ts';

type Members = Record<number, platform.Value>;

const pin = '1234';
const discoverable = { 7: map({ rk: true }) };
const otherRp = { 2: map({ id: 'other.example', name: 'Other' }) };

function numbered(members: Changes): platform.Value {
  const given = Object.entries(members).filter((entry): entry is [string, platform.Value] => entry[1] !== undefined);
  return new Map(given.map(([key, value]) => [Number(key), value]));
}

/** A subcommand with parameters, signed by a token. CTAP 2.1 §6.8. */
function request(subCommand: number, token?: Token, params?: Changes): Changes {
  const subCommandParams = params && numbered(params);
  const encoded = subCommandParams === undefined ? new Uint8Array() : platform.encode(subCommandParams);
  return {
    1: subCommand,
    2: subCommandParams,
    3: token?.protocol,
    4: token?.authenticate(Buffer.concat([Buffer.of(subCommand), encoded])),
  };
}

async function send(
  key: Key,
  changes: Changes,
  context = key.context(),
  command: number = Command.credentialManagement,
) {
  const { status, members } = await key.send(command, numbered(changes), context);
  return { status, members: Object.fromEntries(members) as Members };
}

/** A token that is bound to a relying party only if one is named. */
async function tokenOf(client: PinClient, permissions: number, bound?: string): Promise<Token> {
  const { status, token } = await client.requestToken(pin, { 9: permissions, 10: bound });
  expect(status).toBe(Status.OK);
  return token;
}

/** A key with a PIN, whatever `fill` registers before, and a token. */
async function managed(
  fill: (key: Key) => Promise<unknown> = async () => {},
  { permissions = Permission.cm as number, bound = undefined as string | undefined, protocol = 2 as 1 | 2 } = {},
) {
  const key = new Key();
  await fill(key);
  const client = new PinClient(key, protocol);
  await client.setPin(pin);
  return { key, client, token: await tokenOf(client, permissions, bound) };
}

async function threeAccounts(key: Key): Promise<void> {
  await key.register({ ...discoverable, 3: user('alice', { name: 'alice', displayName: 'Alice' }) });
  await key.register({ ...discoverable, 3: user('bob'), 6: map({ largeBlobKey: true, credProtect: 3 }) });
  await key.register({ ...discoverable, ...otherRp });
  await key.register({ ...otherRp, 3: user('sealed') });
}

const hash = (rp: string) => new Uint8Array(platform.sha256(rp));
const only = (key: Key) => key.environment.vault.credentialsOf(platform.sha256(rpId))[0]?.id ?? new Uint8Array();

describe('credentialManagement', () => {
  for (const protocol of [1, 2] as const) {
    for (const [kind, permissions] of [
      ['cm', Permission.cm],
      ['persistent', Permission.pcmr],
    ] as const) {
      describe(`reads with a ${kind} token of protocol ${protocol}`, () => {
        const open = () => managed(threeAccounts, { permissions, protocol });

        it('how many discoverable credentials there are and how many may come (CM-01, CM-05)', async () => {
          const { key, token } = await open();
          expect(await send(key, request(0x01, token))).toEqual({ status: Status.OK, members: { 1: 3, 2: 999_997 } });
        });

        it('the relying parties one after the other (CM-02, CM-05)', async () => {
          const { key, token } = await open();
          const first = await send(key, request(0x02, token));
          const second = await send(key, request(0x03));
          expect([first.status, second.status]).toEqual([Status.OK, Status.OK]);
          expect([first.members[5], second.members[5]]).toEqual([2, undefined]);
          const found = [first, second].map(({ members: { 3: rp, 4: rpIDHash } }) => ({ rp, rpIDHash }));
          expect(found).toHaveLength(2);
          expect(found).toContainEqual({ rp: map({ id: rpId, name: 'Example' }), rpIDHash: hash(rpId) });
          expect(found).toContainEqual({
            rp: map({ id: 'other.example', name: 'Other' }),
            rpIDHash: hash('other.example'),
          });
          expect((await send(key, request(0x03))).status).toBe(Status.NOT_ALLOWED);
        });

        it('the credentials of one of them, newest first (CM-03, CM-05)', async () => {
          const { key, token } = await open();
          const first = await send(key, request(0x04, token, { 1: hash(rpId) }));
          const second = await send(key, request(0x05));
          expect([first.status, second.status]).toEqual([Status.OK, Status.OK]);
          const [bob, alice] = key.environment.vault.credentialsOf(platform.sha256(rpId));
          expect(first.members).toEqual({
            6: new Map(Object.entries({ id: new Uint8Array(Buffer.from('bob')), name: 'bob' })),
            7: descriptor(bob?.id ?? new Uint8Array()),
            8: expect.any(Map),
            9: 2,
            10: 3,
            11: bob?.largeBlobKey,
            12: false,
          });
          expect(second.members).toEqual({
            6: map({ id: new Uint8Array(Buffer.from('alice')), name: 'alice', displayName: 'Alice' }),
            7: descriptor(alice?.id ?? new Uint8Array()),
            8: expect.any(Map),
            10: 1,
            12: false,
          });
          expect((await send(key, request(0x05))).status).toBe(Status.NOT_ALLOWED);
        });
      });
    }
  }

  it('shows the public key as registered (CM-03)', async () => {
    let registration: platform.Registration | undefined;
    const { key, token } = await managed(async (fresh) => {
      registration = await fresh.register(discoverable);
    });
    const { members } = await send(key, request(0x04, token, { 1: hash(rpId) }));
    expect(members[8]).toEqual(registration?.data.attested?.coseKey);
    expect(members[7]).toEqual(descriptor(registration?.credentialId ?? new Uint8Array()));
  });

  it('shows thirdPartyPayment, unless that extension is switched off (CM-03)', async () => {
    for (const [extensions, expected] of [
      [undefined, true],
      [[], undefined],
    ] as const) {
      const key = new Key();
      await key.register({ ...discoverable, 6: map({ thirdPartyPayment: true }) });
      const client = new PinClient(key);
      await client.setPin(pin);
      if (extensions) Object.assign(key.policy, { extensions });
      const token = await tokenOf(client, Permission.cm);
      const { members } = await send(key, request(0x04, token, { 1: hash(rpId) }));
      expect(members[12]).toBe(expected);
    }
  });

  it('counts down to zero and not below (CM-01)', async () => {
    const key = new Key({ policy: { maxDiscoverableCredentials: 1 } });
    await key.register(discoverable);
    const client = new PinClient(key);
    await client.setPin(pin);
    const token = await tokenOf(client, Permission.cm);
    expect((await send(key, request(0x01, token))).members).toEqual({ 1: 1, 2: 0 });
  });

  it('answers the prototype command 0x41 in the same way', async () => {
    const { key, token } = await managed(threeAccounts);
    const first = await send(key, request(0x02, token), key.context(), 0x41);
    const second = await send(key, request(0x03), key.context(), 0x41);
    expect([first.members[5], second.status]).toEqual([2, Status.OK]);
  });

  it('asks nobody', async () => {
    const { key, token } = await managed(threeAccounts);
    key.gate.prompts.length = 0;
    await send(key, request(0x02, token));
    await send(key, request(0x06, token, { 2: descriptor(only(key)) }));
    expect(key.gate.prompts).toEqual([]);
  });

  describe('goes on with a list', () => {
    it('only after it was begun, and with its own subcommand (CM-04)', async () => {
      const { key, token } = await managed(threeAccounts);
      for (const next of [0x03, 0x05]) expect((await send(key, request(next))).status).toBe(Status.NOT_ALLOWED);
      await send(key, request(0x02, token));
      expect((await send(key, request(0x05))).status).toBe(Status.NOT_ALLOWED);
    });

    it('while another goes on, each at its own pace (CM-04)', async () => {
      const { key, token } = await managed(threeAccounts);
      const relyingParty = await send(key, request(0x02, token));
      expect(relyingParty.members[5]).toBe(2);
      const credential = await send(key, request(0x04, token, { 1: hash(rpId) }));
      expect(credential.members[9]).toBe(2);
      const [otherRelyingParty, otherCredential] = [await send(key, request(0x03)), await send(key, request(0x05))];
      expect([otherRelyingParty.status, otherCredential.status]).toEqual([Status.OK, Status.OK]);
      expect(otherRelyingParty.members[4]).not.toEqual(relyingParty.members[4]);
      expect(otherCredential.members[7]).not.toEqual(credential.members[7]);
      for (const next of [0x03, 0x05]) expect((await send(key, request(next))).status).toBe(Status.NOT_ALLOWED);
    });

    it('from its start if it is begun again (CM-04)', async () => {
      const { key, token } = await managed(threeAccounts);
      const first = await send(key, request(0x02, token));
      await send(key, request(0x03));
      expect(await send(key, request(0x02, token))).toEqual(first);
      expect((await send(key, request(0x03))).status).toBe(Status.OK);
    });

    const harmless: [string, (key: Key, token: Token) => Promise<unknown>][] = [
      ['another command', (key) => key.send(Command.getInfo)],
      ['a U2F command', (key) => key.u2f(Buffer.of(0, 3, 0, 0, 0, 0, 0))],
      ['another subcommand', (key, token) => send(key, request(0x01, token))],
      ['a subcommand that fails', (key) => send(key, request(0x7f))],
      ['a deletion that fails', (key, token) => send(key, request(0x06, token, { 2: descriptor(new Uint8Array(32)) }))],
    ];
    for (const [what, interlude] of harmless) {
      it(`after ${what} (CM-04)`, async () => {
        const { key, token } = await managed(threeAccounts);
        await send(key, request(0x02, token));
        await interlude(key, token);
        expect((await send(key, request(0x03))).status).toBe(Status.OK);
      });
    }

    const first = (key: Key) => ({ 2: descriptor(only(key)) });
    const interruptions: [string, (key: Key, token: Token, client: PinClient) => unknown][] = [
      ['a deletion', (key, token) => send(key, request(0x06, token, first(key)))],
      ['an update', (key, token) => send(key, request(0x07, token, { ...first(key), 3: user('bob') }))],
      ['31 seconds', (key) => (key.environment.clock.time += 30_001)],
      ['a new token', (_key, _token, client) => tokenOf(client, Permission.cm)],
      ['a touch that spends the token', (key) => key.register()],
      ['a new PIN', (_key, _token, client) => client.changePin(pin, 'another')],
      ['a power cycle', (key) => key.authenticator.powerCycle()],
      ['another channel', (key) => send(key, request(0x03), key.context(2))],
    ];
    for (const [what, interrupt] of interruptions) {
      it(`not after ${what} (CM-04)`, async () => {
        const { key, client, token } = await managed(threeAccounts);
        await send(key, request(0x02, token));
        await interrupt(key, token, client);
        expect((await send(key, request(0x03))).status).toBe(Status.NOT_ALLOWED);
      });
    }

    for (const [what, end] of [
      ['a new PIN', (_key, client) => client.changePin(pin, 'another')],
      ['a reset', (key) => key.send(Command.reset)],
    ] as [string, (key: Key, client: PinClient) => Promise<unknown>][]) {
      it(`not after ${what} that makes the persistent token void (CM-04)`, async () => {
        const { key, client, token } = await managed(threeAccounts, { permissions: Permission.pcmr });
        await send(key, request(0x02, token));
        await end(key, client);
        expect((await send(key, request(0x03))).status).toBe(Status.NOT_ALLOWED);
      });
    }

    it('not on another channel (CM-04)', async () => {
      const { key, token } = await managed(threeAccounts);
      await send(key, request(0x02, token));
      expect((await send(key, request(0x03), key.context(2))).status).toBe(Status.NOT_ALLOWED);
    });

    it('for as long as each step follows within 30 seconds', async () => {
      const { key, token } = await managed(threeAccounts, { permissions: Permission.pcmr });
      await send(key, request(0x02, token));
      key.environment.clock.time += 30_000;
      expect((await send(key, request(0x03))).status).toBe(Status.OK);
    });

    it('not when the token has expired that began it', async () => {
      const { key, token } = await managed(threeAccounts);
      key.environment.clock.time += 20_000;
      expect((await send(key, request(0x01, token))).status).toBe(Status.OK);
      key.environment.clock.time += 570_000;
      expect((await send(key, request(0x02, token))).status).toBe(Status.OK);
      key.environment.clock.time += 20_000;
      expect((await send(key, request(0x03))).status).toBe(Status.NOT_ALLOWED);
    });
  });

  describe('deletes', () => {
    it('a credential for good (CM-11)', async () => {
      const { key, token } = await managed(async (fresh) => {
        await fresh.register(discoverable);
        await fresh.register({ ...discoverable, 3: user('bob') });
      });
      const id = only(key);
      const before = key.environment.vault.device.credentialStoreState;
      expect(await send(key, request(0x06, token, { 2: descriptor(id) }))).toEqual({ status: Status.OK, members: {} });
      expect((await key.getAssertion({ 3: [descriptor(id)] })).status).toBe(Status.NO_CREDENTIALS);
      expect((await send(key, request(0x01, token))).members[1]).toBe(1);
      expect((await send(key, request(0x04, token, { 1: hash(rpId) }))).members[9]).toBe(1);
      expect(key.environment.vault.device.credentialStoreState).not.toEqual(before);
    });

    it('nothing if the vault fails', async () => {
      const { key, token } = await managed(threeAccounts);
      key.environment.vault.failure = new Error('disk full');
      expect((await send(key, request(0x06, token, { 2: descriptor(only(key)) }))).status).toBe(Status.OTHER);
      expect((await send(key, request(0x01, token))).members[1]).toBe(3);
    });
  });

  describe('updates the user', () => {
    const update = (key: Key, token: Token, names: Record<string, platform.Value>, id = 'alice') =>
      send(key, request(0x07, token, { 2: descriptor(only(key)), 3: user(id, names) }));

    it('with a new name, and without the displayName that is not given (CM-10)', async () => {
      const { key, token } = await managed((fresh) => fresh.register(discoverable));
      const [before] = key.environment.vault.credentialsOf(platform.sha256(rpId));
      const state = key.environment.vault.device.credentialStoreState;
      expect(await update(key, token, { name: 'alicia' })).toEqual({ status: Status.OK, members: {} });
      const [after] = key.environment.vault.credentialsOf(platform.sha256(rpId));
      expect(after).toEqual({ ...before, user: { id: before?.user.id, name: 'alicia' } });
      expect(key.environment.vault.device.credentialStoreState).not.toEqual(state);
    });

    it('without the names that are empty, and with the others cut to what is kept', async () => {
      const { key, token } = await managed((fresh) => fresh.register(discoverable));
      await update(key, token, { name: '', displayName: 'ä'.repeat(200) });
      const { members } = await send(key, request(0x04, token, { 1: hash(rpId) }));
      expect(members[6]).toEqual(map({ id: new Uint8Array(Buffer.from('alice')), displayName: 'ä'.repeat(128) }));
    });

    it('never with another user.id (CM-10)', async () => {
      const { key, token } = await managed((fresh) => fresh.register(discoverable));
      expect((await update(key, token, { name: 'mallory' }, 'mallory')).status).toBe(Status.INVALID_PARAMETER);
    });
  });

  describe('without credentials (CM-09)', () => {
    const unknown = descriptor(new Uint8Array(32));
    const foreignType = { 2: map({ id: new Uint8Array(32), type: 'password' }) };
    const expectations: [string, number, Changes | undefined, number][] = [
      ['lists no relying party', 0x02, undefined, Status.NO_CREDENTIALS],
      ['lists no credential', 0x04, { 1: hash(rpId) }, Status.NO_CREDENTIALS],
      ['lists nothing for what is no hash', 0x04, { 1: new Uint8Array(3) }, Status.NO_CREDENTIALS],
      ['deletes nothing', 0x06, { 2: unknown }, Status.NO_CREDENTIALS],
      ['deletes nothing that is no public key', 0x06, foreignType, Status.NO_CREDENTIALS],
      ['updates nothing', 0x07, { 2: unknown, 3: user('alice') }, Status.NO_CREDENTIALS],
    ];
    for (const [what, subCommand, params, status] of expectations) {
      it(what, async () => {
        const { key, token } = await managed();
        expect((await send(key, request(subCommand, token, params))).status).toBe(status);
      });
    }

    it('still counts them', async () => {
      const { key, token } = await managed();
      expect(await send(key, request(0x01, token))).toEqual({ status: Status.OK, members: { 1: 0, 2: 1_000_000 } });
    });

    it('finds none that are sealed in their id or come from U2F', async () => {
      const { key, token } = await managed(async (fresh) => {
        await fresh.register();
        await fresh.u2f(platform.registerApdu(new Uint8Array(32), platform.sha256(rpId)));
      });
      expect((await send(key, request(0x04, token, { 1: hash(rpId) }))).status).toBe(Status.NO_CREDENTIALS);
    });
  });

  describe('refuses', () => {
    it('a subCommand that is missing, unknown or of another type (CM-12)', async () => {
      const key = new Key();
      expect((await send(key, {})).status).toBe(Status.MISSING_PARAMETER);
      for (const unknown of [0x00, 0x08, 0x101]) {
        expect((await send(key, { 1: unknown })).status).toBe(Status.INVALID_SUBCOMMAND);
      }
      expect((await send(key, { 1: '1' })).status).toBe(Status.CBOR_UNEXPECTED_TYPE);
    });

    const params: Record<number, Changes | undefined> = {
      1: undefined,
      2: undefined,
      4: { 1: hash(rpId) },
      6: { 2: descriptor(new Uint8Array(32)) },
      7: { 2: descriptor(new Uint8Array(32)), 3: user('alice') },
    };
    for (const subCommand of [0x01, 0x02, 0x04, 0x06, 0x07]) {
      it(`what is not authorized, in the order of the specification: subcommand 0${subCommand} (CM-07)`, async () => {
        const { key, client, token } = await managed();
        const good = request(subCommand, token, params[subCommand]);
        for (const [what, changes, status] of [
          ['nothing', { 2: undefined, 3: undefined, 4: undefined }, Status.PUAT_REQUIRED],
          ['no pinUvAuthParam', { 4: undefined }, Status.PUAT_REQUIRED],
          ['no protocol', { 3: undefined }, Status.MISSING_PARAMETER],
          ['an unknown protocol', { 3: 3 }, Status.INVALID_PARAMETER],
          ['a negative protocol', { 3: -1 }, Status.INVALID_PARAMETER],
          ['the other protocol', { 3: 1 }, Status.PIN_AUTH_INVALID],
          ['a wrong MAC', { 4: new Uint8Array(32) }, Status.PIN_AUTH_INVALID],
          ['an empty MAC', { 4: new Uint8Array(0) }, Status.PIN_AUTH_INVALID],
          ['a MAC over another subcommand', { 4: token.authenticate(Buffer.of(9)) }, Status.PIN_AUTH_INVALID],
        ] as [string, Changes, number][]) {
          expect((await send(key, { ...good, ...changes })).status, what).toBe(status);
        }
        if (params[subCommand]) {
          const bare = { ...good, 2: undefined, 3: 9 };
          expect((await send(key, bare)).status, 'no parameters').toBe(Status.MISSING_PARAMETER);
          for (const name of Object.keys(params[subCommand] ?? {})) {
            const incomplete = { ...params[subCommand], [name]: undefined };
            const { status } = await send(key, request(subCommand, token, incomplete));
            expect(status, `no parameter ${name}`).toBe(Status.MISSING_PARAMETER);
          }
        }
        const other = await tokenOf(client, Permission.mc | Permission.ga | Permission.lbw, rpId);
        expect((await send(key, request(subCommand, other, params[subCommand]))).status).toBe(Status.PIN_AUTH_INVALID);
      });
    }

    it('a token from before the newest one (PIN-TOK-04)', async () => {
      const { key, client, token } = await managed(threeAccounts);
      await tokenOf(client, Permission.cm);
      expect((await send(key, request(0x01, token))).status).toBe(Status.PIN_AUTH_INVALID);
    });

    it('to change anything for the persistent token (CM-06)', async () => {
      const { key, token } = await managed(threeAccounts, { permissions: Permission.pcmr });
      const credentialID = descriptor(only(key));
      for (const change of [
        request(0x06, token, { 2: credentialID }),
        request(0x07, token, { 2: credentialID, 3: user('bob', { name: 'robert' }) }),
      ]) {
        expect((await send(key, change)).status).toBe(Status.PIN_AUTH_INVALID);
      }
    });

    it('wrong types of parameters', async () => {
      const { key, token } = await managed(threeAccounts);
      for (const changes of [
        request(0x04, token, { 1: rpId }),
        request(0x06, token, { 2: new Uint8Array(32) }),
        request(0x06, token, { 2: map({ id: new Uint8Array(32) }) }),
        request(0x07, token, { 2: descriptor(only(key)), 3: map({ name: 'x' }) }),
        { ...request(0x01, token), 2: [] },
        { ...request(0x01, token), 4: 'x' },
      ] as Changes[]) {
        const expected = Array.isArray(changes[2]) ? Status.PIN_AUTH_INVALID : Status.CBOR_UNEXPECTED_TYPE;
        expect((await send(key, changes)).status).toBe(expected);
      }
    });
  });

  describe('with a token for one relying party (CM-08)', () => {
    const open = () => managed(threeAccounts, { bound: rpId });

    it('neither counts nor lists relying parties', async () => {
      const { key, token } = await open();
      for (const subCommand of [0x01, 0x02]) {
        expect((await send(key, request(subCommand, token))).status).toBe(Status.PIN_AUTH_INVALID);
      }
    });

    it('lists, updates and deletes what belongs to it', async () => {
      const { key, token } = await open();
      expect((await send(key, request(0x04, token, { 1: hash(rpId) }))).members[9]).toBe(2);
      const credentialID = descriptor(only(key));
      const renamed = request(0x07, token, { 2: credentialID, 3: user('bob', { name: 'robert' }) });
      expect((await send(key, renamed)).status).toBe(Status.OK);
      expect((await send(key, request(0x06, token, { 2: credentialID }))).status).toBe(Status.OK);
    });

    it('reaches nothing else, and cannot tell whether it is there', async () => {
      const { key, token } = await open();
      const [other] = key.environment.vault.credentialsOf(platform.sha256('other.example'));
      for (const id of [other?.id ?? new Uint8Array(), new Uint8Array(32)]) {
        for (const [subCommand, params] of [
          [0x06, { 2: descriptor(id) }],
          [0x07, { 2: descriptor(id), 3: user('alice') }],
        ] as const) {
          expect((await send(key, request(subCommand, token, params))).status).toBe(Status.PIN_AUTH_INVALID);
        }
      }
      const list = request(0x04, token, { 1: hash('other.example') });
      expect((await send(key, list)).status).toBe(Status.PIN_AUTH_INVALID);
    });
  });

  it('signs the parameters as they came, with members that nobody knows', async () => {
    const { key, token } = await managed(threeAccounts);
    const list = request(0x04, token, { 1: hash(rpId), 9: 'unknown', 200: map({ x: [1, 2] }) });
    expect((await send(key, list)).status).toBe(Status.OK);
  });
});
