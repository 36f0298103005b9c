// authenticatorClientPIN under both PIN/UV auth protocols: key agreement, PINs, retries. Tokens: client-pin-tokens.test.ts.

import { describe, expect, it } from 'vitest';
import { Status } from '../../../ctap/status.ts';
import { type Changes, Command, Key } from '../../support/key.ts';
import { Permission, PinClient, protocols, SubCommand } from '../../support/pin-client.ts';
import * as platform from '../../support/platform.ts';

const pin = '1234';
const wrong = '9876';

async function keyWithPin(protocol: 1 | 2): Promise<{ key: Key; client: PinClient }> {
  const key = new Key();
  const client = new PinClient(key, protocol);
  expect(await client.setPin(pin)).toBe(Status.OK);
  return { key, client };
}

async function option(key: Key, name: string): Promise<platform.Value | undefined> {
  const { members } = await key.send(Command.getInfo);
  return (members.get(4) as ReadonlyMap<string, platform.Value>).get(name);
}

async function tryPin(client: PinClient, guess: string): Promise<number> {
  return (await client.requestToken(guess)).status;
}

for (const protocol of protocols) {
  describe(`clientPIN, protocol ${protocol}`, () => {
    it('PIN-GEN-01: shows its public key, a COSE key of exactly five members', async () => {
      const { status, members } = await new PinClient(new Key(), protocol).send({ 1: protocol, 2: 2 });
      const key = members.get(1) as ReadonlyMap<number, Uint8Array>;
      expect([status, members.size, key.size]).toEqual([0, 1, 5]);
      expect([key.get(1), key.get(3), key.get(-1)]).toEqual([2, -25, 1]);
      expect([key.get(-2)?.length, key.get(-3)?.length]).toEqual([32, 32]);
    });

    it('PIN-GEN-02: says which protocols it has not, and which parameters are missing', async () => {
      const { client } = await keyWithPin(protocol);
      const shared = await client.agree();
      const whole: Changes = { 1: protocol, 3: shared.coseKey, 4: Buffer.alloc(32), 5: Buffer.alloc(80) };
      const withPin: Changes = { ...whole, 6: Buffer.alloc(32) };
      for (const [subCommand, parameters, mandatory] of [
        [SubCommand.getKeyAgreement, { 1: protocol }, [1]],
        [SubCommand.setPIN, whole, [1, 3, 4, 5]],
        [SubCommand.changePIN, withPin, [1, 3, 4, 5, 6]],
        [SubCommand.getPinToken, { ...withPin, 4: undefined, 5: undefined }, [1, 3, 6]],
        [SubCommand.getTokenUsingPin, { ...withPin, 9: 4 }, [1, 3, 6, 9]],
      ] as const) {
        for (const missing of mandatory) {
          const { status } = await client.send({ 2: subCommand, ...parameters, [missing]: undefined });
          expect(status, `${subCommand} without ${missing}`).toBe(Status.MISSING_PARAMETER);
        }
        for (const unknown of [0, 3, -1]) {
          const { status } = await client.send({ 2: subCommand, ...parameters, 1: unknown });
          expect(status, `${subCommand} with protocol ${unknown}`).toBe(Status.INVALID_PARAMETER);
        }
      }
      expect(await client.retries()).toBe(8);
    });

    it('PIN-GEN-03: makes a new key after a wrong PIN, and only then', async () => {
      const { client } = await keyWithPin(protocol);
      const agreement = () => client.send({ 1: protocol, 2: 2 });
      const before = await agreement();
      await tryPin(client, pin);
      expect(await agreement()).toEqual(before);
      await tryPin(client, wrong);
      expect(await agreement()).not.toEqual(before);
    });

    it('PIN-GEN-04: refuses a platform key off the curve or with a short coordinate, and spends no try', async () => {
      const { client } = await keyWithPin(protocol);
      const { coseKey } = await client.agree();
      const x = coseKey.get(-2) as Uint8Array;
      for (const [change, status] of [
        [new Map(coseKey).set(-2, x.with(0, (x[0] ?? 0) ^ 1)), Status.INVALID_PARAMETER],
        [new Map(coseKey).set(-2, x.subarray(1)), Status.INVALID_PARAMETER],
        [new Map([...coseKey].filter(([label]) => label !== -3)), Status.CBOR_UNEXPECTED_TYPE],
      ] as const) {
        expect((await client.requestToken(pin, { 3: change })).status).toBe(status);
      }
      expect(await client.retries()).toBe(8);
    });

    it('PIN-SET-01: sets a PIN from the minimum to the maximum length', async () => {
      for (const chosen of ['1234', '12345', 'ä'.repeat(31), 'x'.repeat(63)]) {
        const key = new Key();
        const client = new PinClient(key, protocol);
        expect(await option(key, 'clientPin')).toBe(false);
        expect(await client.setPin(chosen)).toBe(Status.OK);
        expect([await option(key, 'clientPin'), await client.retries()]).toEqual([true, 8]);
        expect(await tryPin(client, chosen)).toBe(Status.OK);
      }
    });

    it('PIN-SET-02: does not set a second PIN, and none with a wrong pinUvAuthParam', async () => {
      const { client } = await keyWithPin(protocol);
      expect(await client.setPin('5678')).toBe(Status.PIN_AUTH_INVALID);
      expect(await tryPin(client, pin)).toBe(Status.OK);
      const fresh = new PinClient(new Key(), protocol);
      expect(await fresh.setPin(pin, { 4: Buffer.alloc(protocol === 1 ? 16 : 32) })).toBe(Status.PIN_AUTH_INVALID);
      expect(await option(fresh.key, 'clientPin')).toBe(false);
    });

    for (const [id, what, chosen] of [
      ['PIN-SET-03', 'of three characters', '123'],
      ['PIN-SET-03', 'of three characters in more than four bytes', '€€€'],
      ['PIN-SET-03', 'that is empty', ''],
      ['PIN-SET-04', 'of 64 bytes', Buffer.alloc(64, 0x31)],
    ] as const) {
      it(`${id}: refuses a PIN ${what}`, async () => {
        const { client } = await keyWithPin(protocol);
        expect(await new PinClient(new Key(), protocol).setPin(chosen)).toBe(Status.PIN_POLICY_VIOLATION);
        expect(await client.changePin(pin, chosen)).toBe(Status.PIN_POLICY_VIOLATION);
        expect(await tryPin(client, pin)).toBe(Status.OK);
      });
    }

    it('PIN-SET-05: refuses a new PIN that is padded to fewer than 64 bytes', async () => {
      for (const length of [0, 48]) {
        const client = new PinClient(new Key(), protocol);
        expect(await client.setPin(Buffer.alloc(length, 0x31))).toBe(Status.INVALID_PARAMETER);
      }
    });

    it('PIN-SET-05: refuses a new PIN in more than 64 bytes as too long', async () => {
      for (const padded of [Buffer.alloc(80, 0x31), Buffer.alloc(128, 0x31), Buffer.alloc(128).fill(0x31, 0, 8)]) {
        const client = new PinClient(new Key(), protocol);
        expect(await client.setPin(padded)).toBe(Status.PIN_POLICY_VIOLATION);
      }
    });

    it('PIN-SET-06: refuses a PIN of more than maxPINLength characters', async () => {
      const client = new PinClient(new Key({ policy: { maxPINLength: 8 } }), protocol);
      expect(await client.setPin('ä'.repeat(9))).toBe(Status.PIN_POLICY_VIOLATION);
      expect(await client.setPin('ä'.repeat(8))).toBe(Status.OK);
    });

    it('takes off zeros at the end of a PIN, and none inside', async () => {
      const client = new PinClient(new Key(), protocol);
      expect(await client.setPin('12\0\x0034')).toBe(Status.OK);
      expect(await tryPin(client, '12\0\x0034')).toBe(Status.OK);
      expect(await tryPin(client, '12')).toBe(Status.PIN_INVALID);
    });

    it('PIN-CHG-01: changes the PIN, after which neither the old one nor its tokens are any good', async () => {
      const { key, client } = await keyWithPin(protocol);
      const token = await client.token(pin);
      expect(await client.changePin(pin, 'another')).toBe(Status.OK);
      expect((await key.makeCredential(token.forMakeCredential)).status).toBe(Status.PIN_AUTH_INVALID);
      expect(await tryPin(client, pin)).toBe(Status.PIN_INVALID);
      expect(await tryPin(client, 'another')).toBe(Status.OK);
    });

    it('PIN-CHG-02: takes a try for a wrong PIN, but none for a wrong pinUvAuthParam', async () => {
      const { client } = await keyWithPin(protocol);
      expect(await client.changePin(wrong, 'another')).toBe(Status.PIN_INVALID);
      expect(await client.retries()).toBe(7);
      expect(await client.changePin(pin, 'another', { 4: Buffer.alloc(32) })).toBe(Status.PIN_AUTH_INVALID);
      expect(await client.retries()).toBe(7);
      expect(await tryPin(client, pin)).toBe(Status.OK);
    });

    it('PIN-CHG-03: ends forcePINChange by another PIN, not by the same again', async () => {
      const { key, client } = await keyWithPin(protocol);
      await key.environment.vault.update((tx) => tx.setDevice({ forcePINChange: true }));
      expect((await key.send(Command.getInfo)).members.get(12)).toBe(true);
      expect(await client.changePin(pin, pin)).toBe(Status.PIN_POLICY_VIOLATION);
      expect(await client.changePin(pin, 'another')).toBe(Status.OK);
      expect((await key.send(Command.getInfo)).members.get(12)).toBe(false);
    });

    it('PIN-CHG-05: knows no PIN to change or to give a token for', async () => {
      const client = new PinClient(new Key(), protocol);
      expect(await client.changePin(pin, 'another')).toBe(Status.PIN_NOT_SET);
      expect(await tryPin(client, pin)).toBe(Status.PIN_NOT_SET);
      expect((await client.requestToken(pin, { 9: Permission.cm })).status).toBe(Status.PIN_NOT_SET);
    });

    it('PIN-RET-01: tells the retries, and no power cycle where none is needed', async () => {
      const { members } = await new PinClient(new Key(), protocol).send({ 1: protocol, 2: 1 });
      expect(members).toEqual(new Map([[3, 8]]));
    });

    it('PIN-RET-02: gives all tries back for the right PIN', async () => {
      const { client } = await keyWithPin(protocol);
      expect([await tryPin(client, wrong), await tryPin(client, wrong)]).toEqual([
        Status.PIN_INVALID,
        Status.PIN_INVALID,
      ]);
      expect(await client.retries()).toBe(6);
      expect(await tryPin(client, pin)).toBe(Status.OK);
      expect(await client.retries()).toBe(8);
      // The three in a row are counted anew.
      expect(await tryPin(client, wrong)).toBe(Status.PIN_INVALID);
      expect(await tryPin(client, wrong)).toBe(Status.PIN_INVALID);
    });

    it('PIN-RET-03: wants a power cycle after three wrong PINs in a row, and forgets no lost try over it', async () => {
      const { key, client } = await keyWithPin(protocol);
      await tryPin(client, wrong);
      await tryPin(client, wrong);
      expect(await tryPin(client, wrong)).toBe(Status.PIN_AUTH_BLOCKED);
      expect((await client.send({ 2: 1 })).members).toEqual(
        new Map<number, platform.Value>([
          [3, 5],
          [4, true],
        ]),
      );
      for (const guess of [wrong, pin]) expect(await tryPin(client, guess)).toBe(Status.PIN_AUTH_BLOCKED);
      expect(await client.changePin(pin, 'another')).toBe(Status.PIN_AUTH_BLOCKED);
      expect((await client.requestToken(pin, { 9: Permission.cm })).status).toBe(Status.PIN_AUTH_BLOCKED);
      expect(await client.retries()).toBe(5);
      key.authenticator.powerCycle();
      expect((await client.send({ 2: 1 })).members).toEqual(new Map([[3, 5]]));
      expect(await tryPin(client, pin)).toBe(Status.OK);
      expect(await client.retries()).toBe(8);
    });

    it('PIN-RET-04: is blocked by the eighth wrong PIN until a reset', async () => {
      const { key, client } = await keyWithPin(protocol);
      for (let tries = 1; tries <= 7; tries++) {
        expect(await tryPin(client, wrong)).toBe(tries % 3 === 0 ? Status.PIN_AUTH_BLOCKED : Status.PIN_INVALID);
        if (tries % 3 === 0) key.authenticator.powerCycle();
      }
      expect(await client.retries()).toBe(1);
      expect(await tryPin(client, wrong)).toBe(Status.PIN_BLOCKED);
      key.authenticator.powerCycle();
      expect(await client.retries()).toBe(0);
      expect(await tryPin(client, pin)).toBe(Status.PIN_BLOCKED);
      expect(await client.changePin(pin, 'another')).toBe(Status.PIN_BLOCKED);
      expect((await key.send(Command.reset)).status).toBe(Status.OK);
      expect([await client.retries(), await option(key, 'clientPin')]).toEqual([8, false]);
      expect(await client.setPin(pin)).toBe(Status.OK);
    });

    it('PIN-RET-05: counts wrong PINs of both protocols together, and a pinHashEnc of any length', async () => {
      const { key, client } = await keyWithPin(protocol);
      const other = new PinClient(key, protocol === 1 ? 2 : 1);
      expect(await tryPin(client, wrong)).toBe(Status.PIN_INVALID);
      expect(await tryPin(other, wrong)).toBe(Status.PIN_INVALID);
      expect((await client.requestToken(pin, { 6: Buffer.alloc(15) })).status).toBe(Status.PIN_AUTH_BLOCKED);
      expect(await other.retries()).toBe(5);
      expect(await tryPin(other, pin)).toBe(Status.PIN_AUTH_BLOCKED);
    });

    it('spends a try before it looks at the PIN: a vault that fails lets nobody guess', async () => {
      const { key, client } = await keyWithPin(protocol);
      const shared = await client.agree();
      key.environment.vault.failure = new Error('disk full');
      const request = { 1: protocol, 2: 5, 3: shared.coseKey, 6: shared.encrypt(platform.hashedPin(pin)) };
      expect((await client.send(request)).status).toBe(Status.OTHER);
      expect(key.environment.bugs).toHaveLength(1);
    });

    it('gives a try back only to the right PIN, over power cycles as well', async () => {
      const { key, client } = await keyWithPin(protocol);
      await tryPin(client, wrong);
      key.authenticator.powerCycle();
      expect(await client.retries()).toBe(7);
    });
  });
}

describe('clientPIN', () => {
  it('PIN-GEN-05: knows no subcommand but its own', async () => {
    const client = new PinClient(new Key());
    expect((await client.send({ 1: 2 })).status).toBe(Status.MISSING_PARAMETER);
    for (const subCommand of [0x00, 0x06, 0x07, 0x08, 0x0a, 0xff]) {
      expect((await client.send({ 1: 2, 2: subCommand })).status).toBe(Status.INVALID_SUBCOMMAND);
    }
    expect((await client.send({ 2: 'text' })).status).toBe(Status.CBOR_UNEXPECTED_TYPE);
  });

  it('PIN-GEN-10: takes no pinUvAuthProtocol of another type, also where none is needed', async () => {
    const key = new Key();
    key.gate.canVerify = true;
    for (const subCommand of Object.values(SubCommand)) {
      const { status } = await new PinClient(key).send({ 1: '2', 2: subCommand });
      expect(status, String(subCommand)).toBe(Status.CBOR_UNEXPECTED_TYPE);
    }
  });

  it('keeps of a PIN a salted verifier and its length in code points', async () => {
    const key = new Key();
    await new PinClient(key).setPin('€uro€');
    const stored = key.environment.vault.device.pin;
    expect([stored?.salt.length, stored?.verifier.length, stored?.codePointLength]).toEqual([16, 32, 5]);
  });

  describe('with pinComplexityPolicy', () => {
    for (const simple of ['0000', 'aaaaaaaa', '1234', '9876', 'abcdef', 'zyxw']) {
      it(`refuses ${simple}`, async () => {
        const key = new Key();
        await key.environment.vault.update((tx) => tx.setDevice({ pinComplexityPolicy: true }));
        expect(await new PinClient(key).setPin(simple)).toBe(Status.PIN_POLICY_VIOLATION);
      });
    }

    for (const fine of ['1357', '1233', '0001', 'correct horse']) {
      it(`takes ${fine}`, async () => {
        const key = new Key();
        await key.environment.vault.update((tx) => tx.setDevice({ pinComplexityPolicy: true }));
        expect(await new PinClient(key).setPin(fine)).toBe(Status.OK);
      });
    }
  });
});
