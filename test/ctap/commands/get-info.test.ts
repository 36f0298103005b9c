import { expect, it } from 'vitest';
import { Command, Key } from '../../support/key.ts';

it('tells what the authenticator is and can do, canonically encoded, without asking', async () => {
  const key = new Key();
  const { status, members } = await key.send(Command.getInfo);
  expect(status).toBe(0);
  expect(Object.fromEntries(members)).toEqual({
    1: ['U2F_V2', 'FIDO_2_0'],
    3: key.policy.aaguid,
    4: new Map(Object.entries({ rk: true, up: true, plat: false })),
    5: 7609,
    7: 64,
    8: 255,
    9: ['usb'],
    10: [new Map(Object.entries({ alg: -7, type: 'public-key' }))],
    14: 1,
    22: ['packed'],
  });
  expect(key.gate.prompts).toEqual([]);
});

it('lists only algorithms that policy, encoding and crypto back end all know, most preferred first', async () => {
  const key = new Key({ policy: { algorithms: [-257, -7], advertisedAlgorithms: [-8, -7, -257] } });
  const { members } = await key.send(Command.getInfo);
  expect(members.get(10)).toEqual([new Map(Object.entries({ alg: -7, type: 'public-key' }))]);
});

it('tells the AAGUID that registrations carry', async () => {
  const key = new Key();
  const { members } = await key.send(Command.getInfo);
  const { data } = await key.register();
  expect(data.attested?.aaguid).toEqual(members.get(3));
});
