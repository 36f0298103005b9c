import { describe, expect, it } from 'vitest';
import { createOpensslCrypto } from '../../src/openssl.ts';
import { Command, descriptor, Key, map, rpId } from '../support/key.ts';
import * as platform from '../support/platform.ts';

const SW = {
  ok: 0x9000,
  notYet: 0x6985,
  wrongData: 0x6a80,
  wrongP1: 0x6a86,
  wrongLength: 0x6700,
  unknownIns: 0x6d00,
  unknownCla: 0x6e00,
} as const;
const application = platform.sha256(rpId);
const otherApplication = platform.sha256('example.com');
const challenge = platform.sha256('challenge');
const register = platform.registerApdu(challenge, application);
const sign = (keyHandle: Uint8Array, control = 0x03) =>
  platform.authenticateApdu(control, challenge, application, keyHandle);
const hex = (text: string) => new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));

async function registered(key = new Key()) {
  const { word, data } = await key.u2f(register);
  expect(word).toBe(SW.ok);
  return { key, ...platform.verifyU2fRegistration(data, challenge, application) };
}

describe('an APDU', () => {
  const version = { word: SW.ok, data: new Uint8Array(Buffer.from('U2F_V2')) };
  for (const [form, apdu] of [
    ['without Le', '00 03 00 00'],
    ['with short Le', '00 03 00 00 00'],
    ['with extended Le', '00 03 00 00 00 00 00'],
    ['with Lc 0 and Le, in nine bytes', '00 03 00 00 00 00 00 00 00'],
  ] as const) {
    it(`asks for the version ${form}`, async () => expect(await new Key().u2f(hex(apdu))).toEqual(version));
  }

  const data = Buffer.concat([challenge, application]).toString('hex');
  for (const [form, apdu] of [
    ['short', `00 01 03 00 40 ${data}`],
    ['short with Le', `00 01 03 00 40 ${data} 00`],
    ['extended', `00 01 03 00 000040 ${data}`],
    ['extended with Le', `00 01 03 00 000040 ${data} 0000`],
  ] as const) {
    it(`registers in ${form} form`, async () => expect((await new Key().u2f(hex(apdu))).word).toBe(SW.ok));
  }

  for (const [what, apdu, word] of [
    ['of no bytes', '', SW.wrongLength],
    ['of three bytes', '00 03 00', SW.wrongLength],
    ['of another class', '80 03 00 00', SW.unknownCla],
    ['of another class, unknown and too long', '80 ff 00 00 01', SW.unknownCla],
    ['with an unknown instruction', '00 04 00 00', SW.unknownIns],
    ['with an unknown instruction and broken lengths', '00 c0 00 00 05 00', SW.unknownIns],
    ['for the version with data', '00 03 00 00 01 00', SW.wrongLength],
    ['that ends before its short data', `00 01 00 00 41 ${data}`, SW.wrongLength],
    ['that ends before its extended data', `00 01 00 00 000041 ${data}`, SW.wrongLength],
    ['with two bytes after short data', `00 01 00 00 40 ${data} 0000`, SW.wrongLength],
    ['with one byte after extended data', `00 01 00 00 000040 ${data} 00`, SW.wrongLength],
    ['to register with 63 bytes', `00 01 00 00 00003f ${data.slice(2)} 0000`, SW.wrongLength],
    ['to register without data', '00 01 00 00', SW.wrongLength],
    ['to sign without key handle length', `00 02 03 00 000040 ${data} 0000`, SW.wrongLength],
    ['to sign with a shorter key handle than it says', `00 02 03 00 000042 ${data} 02 00 0000`, SW.wrongLength],
    ['to sign with a longer key handle than it says', `00 02 03 00 000043 ${data} 01 0000 0000`, SW.wrongLength],
    ['to sign with an empty key handle', `00 02 03 00 000041 ${data} 00 0000`, SW.wrongData],
  ] as const) {
    it(`${what} is answered ${word.toString(16)}`, async () => {
      const key = new Key();
      expect(await key.u2f(hex(apdu))).toEqual({ word, data: new Uint8Array() });
      expect(key.gate.prompts).toEqual([]);
    });
  }
});

describe('REGISTER', () => {
  it('makes a credential whose certificate and signature verify, after asking', async () => {
    const { key, keyHandle, certificate, publicKey } = await registered();
    expect(keyHandle.length).toBeLessThanOrEqual(255);
    expect(certificate.verify(certificate.publicKey)).toBe(true);
    expect(publicKey.key?.equals(certificate.publicKey)).toBe(true);
    const applicationHash = Buffer.from(application).toString('hex');
    expect(key.gate.prompts).toEqual([{ kind: 'u2f-register', applicationHash }]);
  });

  it('gives a certificate that tells one key from another by nothing but the new credential', async () => {
    const [one, two] = [await registered(), await registered(new Key({ crypto: createOpensslCrypto() }))];
    expect(one.certificate.subject).toBe(two.certificate.subject);
    expect(one.certificate.issuer).toBe(two.certificate.issuer);
    expect(one.certificate.validFrom).toBe(two.certificate.validFrom);
    expect(one.certificate.validTo).toBe(two.certificate.validTo);
    expect(one.certificate.serialNumber).not.toBe(two.certificate.serialNumber);
    expect(one.certificate.ca).toBe(false);
  });
});

describe('AUTHENTICATE', () => {
  it('signs with presence after asking, with a rising counter', async () => {
    const { key, keyHandle, publicKey } = await registered();
    const counters = [];
    for (let i = 0; i < 2; i++) {
      const { word, data } = await key.u2f(sign(keyHandle));
      expect(word).toBe(SW.ok);
      const { presence, counter } = platform.verifyU2fAuthentication(data, challenge, application, publicKey);
      expect(presence).toBe(1);
      counters.push(counter);
    }
    expect(counters).toEqual([1, 2]);
    expect(key.gate.prompts.slice(1).map(({ kind }) => kind)).toEqual(['u2f-sign-in', 'u2f-sign-in']);
  });

  it('with 08 signs without asking, and says so', async () => {
    const { key, keyHandle, publicKey } = await registered();
    key.gate.script = 'declined';
    const { word, data } = await key.u2f(sign(keyHandle, 0x08));
    expect(word).toBe(SW.ok);
    expect(platform.verifyU2fAuthentication(data, challenge, application, publicKey).presence).toBe(0);
    expect(key.gate.prompts).toHaveLength(1);
  });

  it('with 07 only tells whether the key handle is its own', async () => {
    const { key, keyHandle } = await registered();
    expect(await key.u2f(sign(keyHandle, 0x07))).toEqual({ word: SW.notYet, data: new Uint8Array() });
    expect((await key.u2f(sign(new Uint8Array(64), 0x07))).word).toBe(SW.wrongData);
    expect(key.gate.prompts).toHaveLength(1);
  });

  it('refuses other control bytes', async () => {
    const { key, keyHandle } = await registered();
    for (const control of [0x00, 0x01, 0x09, 0xff])
      expect((await key.u2f(sign(keyHandle, control))).word).toBe(SW.wrongP1);
  });

  it('refuses foreign, changed and misplaced key handles at once, without asking', async () => {
    const { key, keyHandle } = await registered();
    const changed = Buffer.from(keyHandle);
    changed[40] = (changed[40] ?? 0) ^ 1;
    for (const control of [0x03, 0x07, 0x08]) {
      expect((await key.u2f(sign(changed, control))).word).toBe(SW.wrongData);
      expect((await key.u2f(sign(new Uint8Array(255), control))).word).toBe(SW.wrongData);
      const elsewhere = platform.authenticateApdu(control, challenge, otherApplication, keyHandle);
      expect((await key.u2f(elsewhere)).word).toBe(SW.wrongData);
    }
    expect(key.gate.prompts).toHaveLength(1);
  });
});

describe('U2F and CTAP2 share their credentials:', () => {
  it('a U2F registration signs in over CTAP2 and is excluded there', async () => {
    const { key, keyHandle, publicKey } = await registered();
    const response = await key.getAssertion({ 3: [descriptor(keyHandle)] });
    platform.verifyAssertion(response, rpId, platform.sha256('client data'), () => publicKey);
    expect((await key.makeCredential({ 5: [descriptor(keyHandle)] })).status).toBe(0x19);
  });

  for (const rk of [true, false]) {
    it(`a CTAP2 credential with rk ${rk} signs over U2F`, async () => {
      const key = new Key();
      const { credentialId, publicKey } = await key.register({ 7: map({ rk }) });
      expect((await key.u2f(sign(credentialId, 0x07))).word).toBe(SW.notYet);
      const { data } = await key.u2f(sign(credentialId));
      expect(platform.verifyU2fAuthentication(data, challenge, application, publicKey).presence).toBe(1);
    });
  }
});

describe('presence for U2F', () => {
  /** A key whose person takes their time. */
  async function slow() {
    const { key, keyHandle } = await registered();
    key.gate.script = 'nothing';
    key.gate.prompts.length = 0;
    return { key, keyHandle };
  }

  it('is asked for once, however often the host polls, and the next poll finds the answer', async () => {
    const { key, keyHandle } = await slow();
    for (let i = 0; i < 5; i++) expect((await key.u2f(sign(keyHandle))).word).toBe(SW.notYet);
    expect(key.gate.prompts).toHaveLength(1);
    key.gate.answer('approved');
    expect((await key.u2f(sign(keyHandle))).word).toBe(SW.ok);
    expect(key.gate.prompts).toHaveLength(1);
  });

  it('is used up by one operation', async () => {
    const { key, keyHandle } = await slow();
    await key.u2f(sign(keyHandle));
    key.gate.answer('approved');
    await key.u2f(sign(keyHandle));
    expect((await key.u2f(sign(keyHandle))).word).toBe(SW.notYet);
    expect(key.gate.prompts).toHaveLength(2);
  });

  it('waits for the next poll no longer than u2fTouchMs', async () => {
    for (const [late, word] of [
      [0, SW.ok],
      [1, SW.notYet],
    ] as const) {
      const { key, keyHandle } = await slow();
      await key.u2f(sign(keyHandle));
      key.gate.answer('approved');
      await new Promise((resolve) => setImmediate(resolve));
      key.environment.clock.time += key.policy.u2fTouchMs + late;
      expect((await key.u2f(sign(keyHandle))).word).toBe(word);
    }
  });

  it('declined stays declined, without another question, until the host has stopped polling', async () => {
    const { key, keyHandle } = await slow();
    await key.u2f(sign(keyHandle));
    key.gate.answer('declined');
    for (let i = 0; i < 20; i++) {
      key.environment.clock.time += 200;
      expect((await key.u2f(sign(keyHandle))).word).toBe(SW.notYet);
    }
    expect(key.gate.prompts).toHaveLength(1);
    key.environment.clock.time += key.policy.u2fTouchMs + 1;
    await key.u2f(sign(keyHandle));
    expect(key.gate.prompts).toHaveLength(2);
  });

  it('given to one operation does not serve another', async () => {
    const { key, keyHandle } = await slow();
    await key.u2f(register);
    key.gate.answer('approved');
    expect((await key.u2f(sign(keyHandle))).word).toBe(SW.notYet);
    expect((await key.u2f(platform.registerApdu(challenge, otherApplication))).word).toBe(SW.notYet);
    expect(key.gate.prompts.map(({ kind }) => kind)).toEqual(['u2f-register', 'u2f-sign-in', 'u2f-register']);
    expect(key.gate.open).toBe(1);
  });

  it('is left alone by checks and silent signatures', async () => {
    const { key, keyHandle } = await slow();
    await key.u2f(sign(keyHandle));
    await key.u2f(sign(keyHandle, 0x07));
    await key.u2f(sign(keyHandle, 0x08));
    await key.u2f(platform.apdu(0x03, 0));
    key.gate.answer('approved');
    expect((await key.u2f(sign(keyHandle))).word).toBe(SW.ok);
  });

  it('is no longer asked for once a CTAP2 command comes, or the power is cycled', async () => {
    for (const interrupt of [
      (key: Key) => key.send(Command.getInfo),
      async (key: Key) => {
        key.authenticator.powerCycle();
        await new Promise((resolve) => setImmediate(resolve));
      },
    ]) {
      const { key, keyHandle } = await slow();
      await key.u2f(sign(keyHandle));
      expect(key.gate.open).toBe(1);
      await interrupt(key);
      expect(key.gate.open).toBe(0);
      await key.u2f(sign(keyHandle));
      expect(key.gate.prompts).toHaveLength(2);
    }
  });

  it('that cannot be asked for is a reported fault and counts as declined', async () => {
    const { key, keyHandle } = await slow();
    key.gate.script = new Error('no display');
    expect((await key.u2f(sign(keyHandle))).word).toBe(SW.notYet);
    expect(key.environment.bugs).toHaveLength(1);
  });
});

it('reports a fault of our own, answers 6F00 and lives on', async () => {
  const { key, keyHandle } = await registered();
  const { crypto } = key.environment;
  const failure = new Error('no engine');
  const { sign: original } = crypto;
  crypto.sign = () => {
    throw failure;
  };
  expect((await key.u2f(sign(keyHandle, 0x08))).word).toBe(0x6f00);
  expect(key.environment.bugs).toEqual([failure]);
  crypto.sign = original;
  expect((await key.u2f(sign(keyHandle, 0x08))).word).toBe(SW.ok);
});
