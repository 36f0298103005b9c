import { describe, expect, it } from 'vitest';
import { Status } from '../../../ctap/status.ts';
import { Command, descriptor, Key, map, user, verified } from '../../support/key.ts';
import { PinClient } from '../../support/pin-client.ts';
import type { Registration } from '../../support/platform.ts';
import * as platform from '../../support/platform.ts';

const discoverable = { 7: map({ rk: true }) };

async function keyWithAccounts(...names: string[]): Promise<{ key: Key; registrations: Registration[] }> {
  const key = new Key();
  const registrations: Registration[] = [];
  for (const name of names) registrations.push(await key.register({ ...discoverable, 3: user(name) }));
  key.gate.prompts.length = 0;
  return { key, registrations };
}

const nameOf = (assertion: platform.Assertion) => Buffer.from(assertion.user?.get('id') as Uint8Array).toString();

describe('getNextAssertion', () => {
  it('gives the other accounts, newest first, for one approval', async () => {
    const { key, registrations } = await keyWithAccounts('a', 'b', 'c');
    const first = await key.signIn(registrations);
    const second = verified(await key.send(Command.getNextAssertion), registrations);
    const third = verified(await key.send(Command.getNextAssertion), registrations);
    expect([first, second, third].map(nameOf)).toEqual(['c', 'b', 'a']);
    expect([first, second, third].map((assertion) => assertion.numberOfCredentials)).toEqual([3, undefined, undefined]);
    expect([first, second, third].map(({ data }) => data.flags)).toEqual([1, 1, 1]);
    expect([first, second, third].map((assertion) => assertion.user?.size)).toEqual([1, 1, 1]);
    expect((await key.send(Command.getNextAssertion)).status).toBe(Status.NOT_ALLOWED);
    expect(key.gate.prompts).toHaveLength(1);
  });

  it('keeps the flags of a silent getAssertion', async () => {
    const { key, registrations } = await keyWithAccounts('a', 'b');
    await key.signIn(registrations, { 5: map({ up: false }) });
    expect(verified(await key.send(Command.getNextAssertion), registrations).data.flags).toBe(0);
    expect(key.gate.prompts).toEqual([]);
  });

  it('is not allowed without a getAssertion, after one with an allowList, or after one with a single hit', async () => {
    const { key, registrations } = await keyWithAccounts('a');
    expect((await key.send(Command.getNextAssertion)).status).toBe(Status.NOT_ALLOWED);
    await key.signIn(registrations);
    expect((await key.send(Command.getNextAssertion)).status).toBe(Status.NOT_ALLOWED);
    registrations.push(await key.register({ ...discoverable, 3: user('b') }));
    await key.signIn(registrations, { 3: registrations.map((r) => descriptor(r.credentialId)) });
    expect((await key.send(Command.getNextAssertion)).status).toBe(Status.NOT_ALLOWED);
  });

  it('is not allowed after a getAssertion that was declined', async () => {
    const { key } = await keyWithAccounts('a', 'b');
    key.gate.script = 'declined';
    await key.getAssertion();
    expect((await key.send(Command.getNextAssertion)).status).toBe(Status.NOT_ALLOWED);
  });

  it('is not allowed more than 30 seconds after the assertion before', async () => {
    const { key } = await keyWithAccounts('a', 'b', 'c');
    await key.getAssertion();
    key.environment.clock.time += 30_000;
    expect((await key.send(Command.getNextAssertion)).status).toBe(Status.OK);
    key.environment.clock.time += 30_001;
    expect((await key.send(Command.getNextAssertion)).status).toBe(Status.NOT_ALLOWED);
  });

  it('is not allowed when the token has expired that the assertion before came with (NEXT-05)', async () => {
    const { key } = await keyWithAccounts('a', 'b', 'c');
    const client = new PinClient(key);
    await client.setPin('1234');
    const { forGetAssertion } = await client.token('1234');
    // A use keeps the token alive, for ten minutes at most.
    await key.getAssertion({ ...forGetAssertion, 5: map({ up: false }) });
    key.environment.clock.time += 599_999;
    expect((await key.getAssertion(forGetAssertion)).status).toBe(Status.OK);
    expect((await key.send(Command.getNextAssertion)).status).toBe(Status.OK);
    key.environment.clock.time += 1;
    expect((await key.send(Command.getNextAssertion)).status).toBe(Status.NOT_ALLOWED);
  });

  it('keeps to the user verification of the getAssertion before (NEXT-02, NEXT-06)', async () => {
    const { key, registrations } = await keyWithAccounts('a', 'b');
    const client = new PinClient(key);
    await client.setPin('1234');
    const first = await key.signIn(registrations, (await client.token('1234')).forGetAssertion);
    const second = verified(await key.send(Command.getNextAssertion), registrations);
    expect([first, second].map(({ data }) => data.flags)).toEqual([5, 5]);
    expect([first, second].map(({ user: account }) => account?.get('name'))).toEqual(['b', 'a']);
  });

  it('is not allowed on another channel, and still on its own', async () => {
    const { key } = await keyWithAccounts('a', 'b');
    await key.getAssertion({}, key.context(1));
    expect((await key.send(Command.getNextAssertion, undefined, key.context(2))).status).toBe(Status.NOT_ALLOWED);
    expect((await key.send(Command.getNextAssertion, undefined, key.context(1))).status).toBe(Status.OK);
  });

  it('is not allowed after any other command, a U2F one included', async () => {
    const others: ((key: Key) => Promise<unknown>)[] = [
      (key) => key.send(Command.getInfo),
      (key) => key.send(Command.selection),
      (key) => key.makeCredential({ 1: undefined }),
      (key) => key.getAssertion({ 1: 'example.com' }),
      (key) => key.u2f(platform.apdu(0x03, 0)),
    ];
    for (const other of others) {
      const { key } = await keyWithAccounts('a', 'b');
      await key.getAssertion();
      await other(key);
      expect((await key.send(Command.getNextAssertion)).status).toBe(Status.NOT_ALLOWED);
    }
  });

  it('is not allowed after a power cycle', async () => {
    const { key } = await keyWithAccounts('a', 'b');
    await key.getAssertion();
    key.authenticator.powerCycle();
    expect((await key.send(Command.getNextAssertion)).status).toBe(Status.NOT_ALLOWED);
  });
});
