import { describe, expect, it } from 'vitest';
import { Status } from '../../ctap/status.ts';
import { Command, descriptor, Key, map } from '../support/key.ts';
import * as platform from '../support/platform.ts';

const makeCredential = platform.request(Command.makeCredential);

describe('the message envelope', () => {
  it('refuses an unknown command', async () => {
    for (const command of [0x00, 0x03, 0x05, 0x09, 0x0e, 0x40, 0xff]) {
      expect((await new Key().raw(Uint8Array.of(command))).status).toBe(Status.INVALID_COMMAND);
    }
  });

  it('refuses a message without a command', async () => {
    expect((await new Key().raw(new Uint8Array())).status).toBe(Status.INVALID_LENGTH);
  });

  it('refuses a message that is one byte longer than maxMsgSize, and no shorter one', async () => {
    const key = new Key({ policy: { maxMsgSize: 1024 } });
    const padding = (length: number) => platform.request(Command.getInfo, new Map([[1, new Uint8Array(length)]]));
    const longest = padding(1024 - 6);
    expect(longest).toHaveLength(1024);
    expect((await key.raw(longest)).status).toBe(Status.OK);
    expect((await key.raw(padding(1024 - 5))).status).toBe(Status.REQUEST_TOO_LARGE);
  });

  it('refuses broken CBOR, bytes after the map, and CBOR that is not canonical', async () => {
    for (const hex of ['a1', 'a000', 'a1016180', 'a202010101', 'bf0101ff', 'a1180101', 'a20101 0101', 'ff']) {
      const request = Buffer.concat([makeCredential, Buffer.from(hex.replace(' ', ''), 'hex')]);
      expect((await new Key().raw(request)).status).toBe(Status.INVALID_CBOR);
    }
  });

  it('refuses parameters that are not a map', async () => {
    for (const parameters of [1, 'text', [], true, null]) {
      expect((await new Key().send(Command.makeCredential, parameters)).status).toBe(Status.CBOR_UNEXPECTED_TYPE);
    }
  });

  it('takes no parameters as an empty map of them, in every command', async () => {
    const key = new Key();
    for (const command of Object.values(Command)) {
      expect((await key.send(command)).status).toBe((await key.send(command, new Map())).status);
    }
    expect((await key.send(Command.getInfo, new Map())).status).toBe(Status.OK);
    expect((await key.send(Command.makeCredential)).status).toBe(Status.MISSING_PARAMETER);
  });

  it('ignores members and extensions that it does not know', async () => {
    const key = new Key();
    expect((await key.makeCredential({ 6: map({ foo: [1] }), 127: 1 })).status).toBe(Status.OK);
    expect((await key.getAssertion({ 4: map({ foo: true }), 127: 1, 5: map({ up: false }) })).status).toBe(
      Status.NO_CREDENTIALS,
    );
  });

  it('answers an error with the status alone (ENV-07)', async () => {
    const key = new Key();
    const answer = (request: Uint8Array) => key.authenticator.cbor(request, key.context());
    expect(await answer(Uint8Array.of(0x09))).toEqual(Uint8Array.of(Status.INVALID_COMMAND));
    expect(await answer(makeCredential)).toEqual(Uint8Array.of(Status.MISSING_PARAMETER));
    expect(await answer(platform.request(Command.getNextAssertion))).toEqual(Uint8Array.of(Status.NOT_ALLOWED));
  });

  it('answers a selection with the status alone', async () => {
    expect(await new Key().authenticator.cbor(Uint8Array.of(Command.selection), new Key().context())).toEqual(
      Uint8Array.of(0),
    );
  });
});

describe('a fault of our own', () => {
  it('is reported and answered with OTHER, and the key lives on', async () => {
    const key = new Key();
    const failure = new Error('disk full');
    key.environment.vault.failure = failure;
    expect((await key.makeCredential({ 7: map({ rk: true }) })).status).toBe(Status.OTHER);
    expect(key.environment.bugs).toEqual([failure]);
    expect((await key.getAssertion()).status).toBe(Status.NO_CREDENTIALS);
    await key.signIn([await key.register({ 7: map({ rk: true }) })]);
  });

  it('may be in asking the person', async () => {
    const key = new Key();
    key.gate.script = new Error('no display');
    expect((await key.send(Command.selection)).status).toBe(Status.OTHER);
    expect(key.environment.bugs).toHaveLength(1);
  });
});

describe('several requests at once', () => {
  it('are carried out one after the other, in order', async () => {
    const key = new Key();
    key.gate.script = 'nothing';
    const asked = key.gate.nextPrompt;
    const first = key.makeCredential();
    const order: string[] = [];
    const second = key.send(Command.getInfo, undefined, key.context(2)).then(() => order.push('second'));
    await asked;
    await new Promise((resolve) => setImmediate(resolve));
    expect(order).toEqual([]);
    order.push('first');
    key.gate.answer('approved');
    await Promise.all([first, second]);
    expect(order).toEqual(['first', 'second']);
  });

  it('never ask a person two things at once', async () => {
    const key = new Key();
    key.gate.script = 'nothing';
    const requests = [key.makeCredential(), key.send(Command.selection), key.makeCredential()];
    for (const _ of requests) {
      if (key.gate.open === 0) await key.gate.nextPrompt;
      expect(key.gate.open).toBe(1);
      const asked = key.gate.nextPrompt;
      key.gate.answer('declined');
      if (key.gate.prompts.length < requests.length) await asked;
    }
    const statuses = (await Promise.all(requests)).map(({ status }) => status);
    expect(statuses).toEqual([Status.OPERATION_DENIED, Status.OPERATION_DENIED, Status.OPERATION_DENIED]);
  });
});

describe('CANCEL', () => {
  it('ends whatever waits for a person', async () => {
    const key = new Key();
    const { credentialId } = await key.register({ 7: map({ rk: true }) });
    key.gate.script = 'nothing';
    const waiting = [
      (context = key.context()) => key.makeCredential({}, context),
      (context = key.context()) => key.makeCredential({ 5: [descriptor(credentialId)] }, context),
      (context = key.context()) => key.makeCredential({ 8: new Uint8Array() }, context),
      (context = key.context()) => key.getAssertion({}, context),
      (context = key.context()) => key.send(Command.selection, undefined, context),
      (context = key.context()) => key.send(Command.reset, undefined, context),
    ];
    for (const start of waiting) {
      const controller = new AbortController();
      const asked = key.gate.nextPrompt;
      const response = start(key.context(1, controller.signal));
      await asked;
      expect(key.waitingFor).toBe('user');
      controller.abort();
      expect((await response).status).toBe(Status.KEEPALIVE_CANCEL);
      expect(key.waitingFor).toBe('processing');
    }
    expect((await key.getAssertion({ 5: map({ up: false }) })).status).toBe(Status.OK);
  });

  it('before its turn ends a request without asking', async () => {
    const key = new Key();
    const response = await key.makeCredential({}, key.context(1, AbortSignal.abort()));
    expect(response.status).toBe(Status.KEEPALIVE_CANCEL);
    expect(key.gate.prompts).toEqual([]);
  });

  it('in the moment of the approval stores nothing', async () => {
    const key = new Key();
    key.gate.script = 'nothing';
    const controller = new AbortController();
    const asked = key.gate.nextPrompt;
    const response = key.makeCredential({ 7: map({ rk: true }) }, key.context(1, controller.signal));
    await asked;
    key.gate.answer('approved');
    controller.abort();
    expect((await response).status).toBe(Status.KEEPALIVE_CANCEL);
    expect((await key.getAssertion()).status).toBe(Status.NO_CREDENTIALS);
  });

  it('after the approval, but before the commit, stores nothing', async () => {
    const key = new Key();
    const controller = new AbortController();
    const { crypto } = key.environment;
    const { generateKeyPair } = crypto;
    crypto.generateKeyPair = (algorithm) => {
      controller.abort();
      return generateKeyPair(algorithm);
    };
    const response = await key.makeCredential({ 7: map({ rk: true }) }, key.context(1, controller.signal));
    expect(response.status).toBe(Status.KEEPALIVE_CANCEL);
    expect((await key.getAssertion()).status).toBe(Status.NO_CREDENTIALS);
  });
});
