// The platform's side of PINs and configuration against a real key, and against the independent client.

import { beforeEach, describe, expect, it } from 'vitest';
import { ConfigSubCommand, Permission, SetMinPINLengthParams } from '../../../ctap/wire.ts';
import { CtapClient } from '../../../src/platform/ctap-client.ts';
import { encodePin, PinClient } from '../../../src/platform/pin-client.ts';
import { Key } from '../../support/key.ts';
import { PinClient as OtherClient } from '../../support/pin-client.ts';
import { scriptedChannel } from './direct-channel.ts';

const pin = 'pässword';
const acfg = { permissions: Permission.acfg };
const refused = (statusName: string) => expect.objectContaining({ name: 'CtapStatusError', statusName });

let key: Key;
let ctap: CtapClient;
beforeEach(() => {
  key = new Key();
  ctap = new CtapClient({ cbor: (request) => key.authenticator.cbor(request, key.context()) });
});

/** A client that finds only this protocol in getInfo. */
async function client(protocol: 1 | 2 = 2, options: Record<string, boolean> = {}): Promise<PinClient> {
  const info = await ctap.getInfo();
  return new PinClient(ctap, {
    ...info,
    pinUvAuthProtocols: [protocol],
    options: new Map([...info.options, ...Object.entries(options)]),
  });
}

describe.each([1, 2] as const)('a client of protocol %i', (protocol) => {
  it('sets a PIN that another client can use', async () => {
    await (await client(protocol)).setPin(pin);
    expect((await new OtherClient(key).requestToken(pin)).status).toBe(0);
  });

  it('changes a PIN that another client set', async () => {
    await new OtherClient(key).setPin(pin);
    await (await client(protocol)).changePin(pin, 'another one');
    expect((await new OtherClient(key).requestToken('another one')).status).toBe(0);
  });

  it('gets a token that configures the key', async () => {
    const pins = await client(protocol);
    await pins.setPin(pin);
    const token = await pins.getToken(pin, acfg);
    await ctap.config(ConfigSubCommand.toggleAlwaysUv, undefined, token);
    const params = new Map<number, number | readonly string[]>([
      [SetMinPINLengthParams.newMinPINLength, 6],
      [SetMinPINLengthParams.minPinLengthRPIDs, ['example.com']],
    ]);
    await ctap.config(ConfigSubCommand.setMinPINLength, params, token);
    expect(key.environment.vault.device).toMatchObject({
      alwaysUv: true,
      minPINLength: 6,
      minPinLengthRPIDs: ['example.com'],
    });
  });

  it('gets a token without permissions from a key of CTAP 2.0', async () => {
    const pins = await client(protocol, { pinUvAuthToken: false });
    await pins.setPin(pin);
    const token = await pins.getToken(pin, acfg);
    const toggle = ctap.config(ConfigSubCommand.toggleAlwaysUv, undefined, token);
    await expect(toggle).rejects.toEqual(refused('PIN_AUTH_INVALID'));
  });

  it('gets a token from a key that verifies its user itself', async () => {
    key = new Key({ environment: { gate: Object.assign(key.gate, { canVerify: true }) } });
    const token = await (await client(protocol)).getTokenUsingUv(acfg);
    await ctap.config(ConfigSubCommand.toggleAlwaysUv, undefined, token);
    expect(key.environment.vault.device.alwaysUv).toBe(true);
  });
});

it('counts the tries that are left, until the power is off and until for good', async () => {
  const pins = await client();
  await pins.setPin(pin);
  const wrong = () => pins.getToken('wrong', acfg);
  await expect(wrong()).rejects.toEqual(refused('PIN_INVALID'));
  await expect(wrong()).rejects.toEqual(refused('PIN_INVALID'));
  expect(await pins.retries()).toEqual({ retries: 6, powerCycleNeeded: false });
  await expect(wrong()).rejects.toEqual(refused('PIN_AUTH_BLOCKED'));
  expect(await pins.retries()).toEqual({ retries: 5, powerCycleNeeded: true });
  key.authenticator.powerCycle();
  for (let i = 0; i < 4; i++) {
    await wrong().catch(() => {});
    key.authenticator.powerCycle();
  }
  await expect(wrong()).rejects.toEqual(refused('PIN_BLOCKED'));
  expect(await pins.retries()).toEqual({ retries: 0, powerCycleNeeded: false });
});

it('configures a key without a token where nothing protects it', async () => {
  await ctap.config(ConfigSubCommand.enableLongTouchForReset);
  expect((await ctap.getInfo()).longTouchForReset).toBe(true);
});

it('prefers the protocol that the key names first', async () => {
  const channel = scriptedChannel(Uint8Array.of(0x01));
  const info = { ...(await ctap.getInfo()), pinUvAuthProtocols: [3, 1, 2] };
  await new PinClient(new CtapClient(channel), info).setPin(pin).catch(() => {});
  // authenticatorClientPIN, { 1: 1, 2: 2 }: protocol one, getKeyAgreement.
  expect(channel.requests).toEqual([Uint8Array.of(0x06, 0xa2, 0x01, 0x01, 0x02, 0x02)]);
  expect(() => new PinClient(ctap, { ...info, pinUvAuthProtocols: [3] })).toThrow('expected a key with PIN/UV auth');
});

describe('a PIN', () => {
  it('is sent in normalization form C, however it was typed', async () => {
    await (await client()).setPin('a\u0308a\u0308a\u0308a\u0308');
    expect((await new OtherClient(key).requestToken('\u00e4\u00e4\u00e4\u00e4')).status).toBe(0);
  });

  it.each([
    ['a\u0308bc', 'expected a PIN of at least 4 characters, got 3'],
    ['🔑🔑🔑', 'expected a PIN of at least 4 characters, got 3'],
    ['ä'.repeat(32), 'expected a PIN of at most 63 bytes, got 64'],
    ['abcd\0', 'expected a PIN that does not end in a NUL character'],
  ])('%j is not sent', async (unfit, message) => {
    const pins = await client();
    await expect(pins.setPin(unfit)).rejects.toThrow(new RangeError(message));
    await expect(pins.getToken(unfit, acfg)).rejects.toThrow(message);
    expect(key.environment.vault.device.pin).toBeNull();
  });

  it('may have four characters and 63 bytes, or as many as the key wants', () => {
    expect(encodePin('🔑🔑🔑🔑')).toHaveLength(16);
    expect(encodePin('a'.repeat(63))).toHaveLength(63);
    expect(() => encodePin('12345', 6)).toThrow('at least 6 characters, got 5');
  });
});

it.each([
  ['no key agreement', Uint8Array.of(0x00, 0xa0)],
  ['nothing but a status', Uint8Array.of(0x00)],
])('a key that answers with %s is an error', async (_, answer) => {
  const pins = new PinClient(new CtapClient(scriptedChannel(answer)), await ctap.getInfo());
  await expect(pins.setPin(pin)).rejects.toMatchObject({ name: 'CtapError' });
});
