import { describe, expect, it } from 'vitest';
import { defaultPolicy } from '../../../ctap/policy.ts';
import { Status } from '../../../ctap/status.ts';
import type { ExtensionName } from '../../../ctap/wire.ts';
import { createOpensslCrypto } from '../../../src/openssl.ts';
import { Command, descriptor, enterpriseAttestation, Key, map } from '../../support/key.ts';
import { Permission, PinClient } from '../../support/pin-client.ts';
import * as platform from '../../support/platform.ts';

type Members = ReadonlyMap<platform.Key, platform.Value>;

async function info(key: Key): Promise<Members> {
  const { status, members } = await key.send(Command.getInfo);
  expect(status).toBe(0);
  return members;
}

function optionsIn(members: Members): Record<string, platform.Value> {
  return Object.fromEntries(members.get(4) as ReadonlyMap<string, platform.Value>);
}

it('INFO-01, INFO-02: tells what the authenticator is and can do, canonically encoded, without asking', async () => {
  const key = new Key();
  const members = await info(key);
  expect(Object.fromEntries(members)).toEqual({
    1: ['U2F_V2', 'FIDO_2_0', 'FIDO_2_1', 'FIDO_2_3'],
    2: defaultPolicy.extensions,
    3: key.policy.aaguid,
    4: members.get(4),
    5: 7609,
    6: [2, 1],
    7: 64,
    8: 255,
    9: ['usb'],
    10: [-7, -8, -35].map((alg) => map({ alg, type: 'public-key' })),
    11: 16_384,
    12: false,
    13: 4,
    14: 1,
    15: 64,
    16: 32,
    20: 1_000_000,
    22: ['packed'],
    24: false,
    27: false,
    29: 63,
    31: [2, 3, 4],
  });
  expect(optionsIn(members)).toEqual({
    rk: true,
    up: true,
    plat: false,
    alwaysUv: false,
    credMgmt: true,
    authnrCfg: true,
    clientPin: false,
    largeBlobs: true,
    perCredMgmtRO: true,
    pinUvAuthToken: true,
    setMinPINLength: true,
    makeCredUvNotRqd: true,
  });
  expect(key.gate.prompts).toEqual([]);
});

it('lists only algorithms that policy, encoding and crypto back end all know, most preferred first', async () => {
  const members = await info(new Key({ policy: { algorithms: [-257, -7], advertisedAlgorithms: [-8, -7, -257] } }));
  expect(members.get(10)).toEqual([map({ alg: -7, type: 'public-key' })]);
});

it('INFO-01: tells the AAGUID that registrations carry', async () => {
  const key = new Key();
  const { data } = await key.register();
  expect(data.attested?.aaguid).toEqual((await info(key)).get(3));
});

it('UV-01, INFO-09: without built-in verification offers no `uv` and nothing that goes with it', async () => {
  const members = await info(new Key());
  expect(optionsIn(members)).not.toHaveProperty('uv');
  expect(optionsIn(members)).not.toHaveProperty('uvAcfg');
  for (const member of [0x11, 0x12, 0x17]) expect(members.has(member)).toBe(false);
});

it('UV-02, INFO-09: with built-in verification offers `uv` and all that clients expect with it', async () => {
  const key = new Key();
  key.gate.canVerify = true;
  const members = await info(key);
  expect(optionsIn(members)).toMatchObject({ uv: true, uvAcfg: true, pinUvAuthToken: true, clientPin: false });
  expect([members.get(0x11), members.get(0x12)]).toEqual([3, 1]);
});

/** States that a key can be brought into, each by commands. */
const states: Record<string, (key: Key) => Promise<void>> = {
  'factory state': async () => {},
  'a PIN': async (key) => {
    await new PinClient(key).setPin('1234');
  },
  alwaysUv: async (key) => {
    await new PinClient(key).config(2);
  },
  'a forced change of PIN': async (key) => {
    await new PinClient(key).setPin('1234');
    await key.environment.vault.update((tx) => tx.setDevice({ forcePINChange: true }));
  },
  'built-in verification': async (key) => {
    key.gate.canVerify = true;
  },
  'a persistent token': async (key) => {
    const client = new PinClient(key);
    await client.setPin('1234');
    await client.token('1234', Permission.pcmr, undefined);
  },
};

it('UV-02: tells how the gate verifies, where it says so', async () => {
  const key = new Key();
  key.gate.canVerify = true;
  Object.assign(key.gate, { uvModality: 0x04 });
  expect((await key.send(Command.getInfo)).members.get(0x12)).toBe(0x04);
});

const { extensions: all } = defaultPolicy;
const extensionSets: readonly (readonly ExtensionName[])[] = [
  all,
  ['credProtect', 'hmac-secret'],
  ...all.map((one) => all.filter((name) => name !== one || name === 'credProtect' || name === 'hmac-secret')),
];
const setups = [
  { environment: { enterpriseAttestation } },
  ...extensionSets.map((extensions) => ({ policy: { extensions } })),
];

describe('getInfo is consistent', () => {
  for (const [state, reach] of Object.entries(states)) {
    it(`with ${state} (INFO-03 to INFO-12)`, async () => {
      for (const setup of setups) {
        const key = new Key({ crypto: createOpensslCrypto(), ...setup });
        await reach(key);
        const members = await info(key);
        const options = optionsIn(members);
        const list = (member: number) => (members.get(member) ?? []) as platform.Value[];
        // INFO-03: lists are not empty and without duplicates.
        for (const member of [0x01, 0x02, 0x06, 0x09, 0x0a, 0x16, 0x1a, 0x1f].filter((each) => members.has(each))) {
          expect(list(member).length, String(member)).toBeGreaterThan(0);
          const names = list(member).map((element) => (element instanceof Map ? element.get('alg') : element));
          expect(new Set(names).size, String(member)).toBe(list(member).length);
        }
        for (const value of Object.values(options)) expect(typeof value).toBe('boolean');
        expect(list(0x01)).not.toContain('FIDO_2_2');
        // INFO-04
        for (const [member, least, most] of [
          [0x05, 1024, 7609],
          [0x07, 1, 1000],
          [0x08, 1, 255],
          [0x0d, 4, 63],
          [0x0e, 1, 2 ** 32],
          [0x0f, 32, 7609],
          [0x10, 1, 1000],
          [0x14, 0, 2 ** 32],
          [0x1d, 8, 63],
        ] as const) {
          if (!members.has(member)) continue;
          expect(members.get(member)).toBeGreaterThanOrEqual(least);
          expect(members.get(member)).toBeLessThanOrEqual(most);
        }
        // INFO-05
        expect('clientPin' in options || 'uv' in options).toBe(true);
        expect([options['credMgmt'], options['pinUvAuthToken'], list(0x06).includes(2)]).toEqual([true, true, true]);
        // INFO-06
        const extensions = list(0x02);
        expect(extensions).toEqual(expect.arrayContaining(['hmac-secret', 'credProtect']));
        expect(extensions.includes('credBlob')).toBe(members.has(0x0f));
        expect(extensions.includes('largeBlobKey')).toBe(options['largeBlobs'] === true);
        expect(extensions.includes('minPinLength')).toBe(options['setMinPINLength'] === true);
        expect(extensions.includes('pinComplexityPolicy')).toBe(members.has(0x1b));
        // INFO-07, INFO-08, INFO-11
        expect(members.has(0x0b)).toBe(options['largeBlobs'] === true);
        expect(members.get(0x0b) ?? 2048).toBeGreaterThan(1024);
        expect([typeof members.get(0x0c), typeof members.get(0x18)]).toEqual(['boolean', 'boolean']);
        expect(typeof (members.get(0x1b) ?? false)).toBe('boolean');
        for (const always of [0x05, 0x07, 0x08, 0x0d, 0x0e, 0x14, 0x1d]) expect(members.has(always)).toBe(true);
        // INFO-09
        expect(members.has(0x10)).toBe(options['setMinPINLength'] === true);
        expect(members.has(0x11)).toBe('uv' in options);
        expect(members.has(0x12)).toBe('uv' in options);
        // INFO-12
        const commands = [['ep', 1] as const, ['alwaysUv', 2] as const, ['setMinPINLength', 3] as const];
        expect(list(0x1f)).toEqual([...commands.flatMap(([option, number]) => (option in options ? number : [])), 4]);
        // What is not offered is not there.
        const largeBlobs = await key.send(
          Command.largeBlobs,
          new Map([
            [1, 17],
            [3, 0],
          ]),
        );
        expect(largeBlobs.status === Status.INVALID_COMMAND).toBe(!('largeBlobs' in options));
        const setMinPINLength = await key.send(0x0d, new Map([[1, 3]]));
        expect(setMinPINLength.status === Status.INVALID_PARAMETER).toBe(!('setMinPINLength' in options));
        // alwaysUv: CTAP 2.1 §6.11.2
        expect(options['makeCredUvNotRqd']).toBe(!options['alwaysUv']);
        expect(list(0x01).includes('U2F_V2')).toBe(!options['alwaysUv']);
      }
    });
  }
});

it('INFO-15: follows the state of the device at once', async () => {
  const key = new Key();
  const client = new PinClient(key);
  await key.register({ 7: map({ rk: true }) });
  expect((await info(key)).get(0x14)).toBe(999_999);
  await client.setPin('1234');
  expect(optionsIn(await info(key))['clientPin']).toBe(true);
  const token = await client.token('1234', Permission.acfg, undefined);
  await client.config(2, undefined, token);
  expect(optionsIn(await info(key))['alwaysUv']).toBe(true);
  await client.config(3, new Map([[1, 8]]), token);
  expect([(await info(key)).get(0x0d), (await info(key)).get(0x0c)]).toEqual([8, true]);
});

it('counts no fewer than zero discoverable credentials that still fit', async () => {
  const key = new Key();
  for (const name of ['alice', 'bob']) {
    await key.register({ 3: map({ id: Buffer.from(name) }), 7: map({ rk: true }) });
  }
  for (const [max, left] of [
    [3, 1],
    [2, 0],
    [1, 0],
  ] as const) {
    Object.assign(key.policy, { maxDiscoverableCredentials: max });
    expect((await info(key)).get(0x14)).toBe(left);
  }
});

for (const [id, member, name] of [
  ['INFO-13', 0x19, 'encIdentifier'],
  ['INFO-14', 0x1e, 'encCredStoreState'],
] as const) {
  it(`${id}: shows ${name} to the holder of a persistent token, each time encrypted anew, until a reset`, async () => {
    const key = new Key();
    const client = new PinClient(key);
    expect((await info(key)).has(member)).toBe(false);
    const identifier = async () => {
      const { bytes } = await client.token('1234', Permission.pcmr, undefined);
      const [one, two] = [(await info(key)).get(member), (await info(key)).get(member)] as Uint8Array[];
      if (!one || !two) return expect.unreachable();
      expect([one.length, two.length]).toEqual([32, 32]);
      expect(one).not.toEqual(two);
      const opened = platform.openIdentifier(name, bytes, one);
      expect(platform.openIdentifier(name, bytes, two)).toEqual(opened);
      return opened;
    };
    await client.setPin('1234');
    const before = await identifier();
    expect(await identifier()).toEqual(before);
    const { credentialId } = await key.register();
    await key.getAssertion({ 3: [descriptor(credentialId)] });
    expect(await identifier()).toEqual(before);
    await client.changePin('1234', '12345');
    await client.changePin('12345', '1234');
    expect(await identifier()).toEqual(before);
    await key.send(Command.reset);
    await client.setPin('1234');
    expect(await identifier()).not.toEqual(before);
  });
}

it('RK-04: shows another encCredStoreState when a discoverable credential was made, but the same encIdentifier', async () => {
  const key = new Key();
  const client = new PinClient(key);
  await client.setPin('1234');
  const { bytes } = await client.token('1234', Permission.pcmr, undefined);
  const open = async (name: string, member: number) =>
    platform.openIdentifier(name, bytes, (await info(key)).get(member) as Uint8Array);
  const both = async () => [await open('encIdentifier', 0x19), await open('encCredStoreState', 0x1e)] as const;
  const before = await both();
  const token = await client.token('1234');
  await key.register({ ...token.forMakeCredential, 7: map({ rk: true }) });
  const after = await both();
  expect(after[0]).toEqual(before[0]);
  expect(after[1]).not.toEqual(before[1]);
});
