// Whoever sets the clock, back or ahead, neither lengthens nor shortens what must be over after a while.

import { describe, expect, it } from 'vitest';
import { Status } from '../../ctap/status.ts';
import { Command, clientDataHash, Key, map, rpId, user } from '../support/key.ts';
import { Permission, PinClient } from '../support/pin-client.ts';
import * as platform from '../support/platform.ts';

const hour = 3_600_000;
const pin = '1234';

/** What lasts for a while: begun by the first function, and tried by the second, which answers whether it still lasts. */
const timers: [string, number, (key: Key) => Promise<() => Promise<boolean>>][] = [
  ['the window of a reset', 10_000, async (key) => async () => (await key.send(Command.reset)).status === Status.OK],
  [
    'a token that is not used',
    29_999,
    async (key) => {
      const client = new PinClient(key);
      await client.setPin(pin);
      const token = await client.token(pin);
      return async () => (await key.makeCredential(token.forMakeCredential)).status === Status.OK;
    },
  ],
  [
    'a list',
    30_000,
    async (key) => {
      const client = new PinClient(key);
      for (const id of ['a.example', 'b.example']) await key.register({ 2: map({ id }), 7: map({ rk: true }) });
      await client.setPin(pin);
      const token = await client.token(pin, Permission.pcmr, undefined);
      const begin = new Map<number, platform.Value>([
        [1, 2],
        [3, token.protocol],
        [4, token.authenticate(Buffer.of(2))],
      ]);
      expect((await key.send(Command.credentialManagement, begin)).status).toBe(Status.OK);
      return async () => (await key.send(Command.credentialManagement, new Map([[1, 3]]))).status === Status.OK;
    },
  ],
  [
    'a choice among accounts',
    30_000,
    async (key) => {
      for (const name of ['alice', 'bob']) await key.register({ 3: user(name), 7: map({ rk: true }) });
      await key.getAssertion();
      return async () => (await key.send(Command.getNextAssertion)).status === Status.OK;
    },
  ],
  [
    'a large-blob array',
    30_000,
    async (key) => {
      const write = (offset: number, length?: number) => {
        const members: [number, platform.Value][] = [
          [2, new Uint8Array(20)],
          [3, offset],
        ];
        if (length) members.push([4, length]);
        return key.send(Command.largeBlobs, new Map(members));
      };
      expect((await write(0, 60)).status).toBe(Status.OK);
      return async () => (await write(20)).status === Status.OK;
    },
  ],
  [
    'a touch for U2F',
    3_000,
    async (key) => {
      const apdu = platform.registerApdu(clientDataHash, platform.sha256(rpId));
      key.gate.script = 'nothing';
      expect((await key.u2f(apdu)).word).toBe(0x6985);
      key.gate.answer('approved');
      await new Promise(setImmediate);
      return async () => (await key.u2f(apdu)).word === 0x9000;
    },
  ],
];

describe.each(timers)('%s', (_what, lastsMs, begin) => {
  it.each([0, -hour, hour])('lasts its time where the clock is set by %i ms', async (setBy) => {
    for (const [passedMs, lasts] of [
      [lastsMs, true],
      [lastsMs + 1, false],
    ] as const) {
      const key = new Key();
      const lastsStill = await begin(key);
      key.environment.clock.epoch += setBy;
      key.environment.clock.time += passedMs;
      expect(await lastsStill()).toBe(lasts);
    }
  });
});

it.each([-hour, hour])('a token in use ends after ten minutes where the clock is set by %i ms', async (setBy) => {
  const key = new Key();
  const client = new PinClient(key);
  await client.setPin(pin);
  const token = await client.token(pin, Permission.acfg, undefined);
  const use = () => client.config(3, undefined, token);
  expect(await use()).toBe(Status.OK);
  key.environment.clock.epoch += setBy;
  key.environment.clock.time += 599_999;
  expect(await use()).toBe(Status.OK);
  key.environment.clock.time += 1;
  expect(await use()).toBe(Status.PIN_AUTH_INVALID);
});
