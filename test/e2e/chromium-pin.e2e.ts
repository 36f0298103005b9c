// Chromium's own dialogs about a key with a PIN.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type RelyingParty, startRelyingParty } from '../../src/demo/relying-party.ts';
import { type ChromiumWindow, openChromium } from './chromium-window.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { type KeyPin, keyPin } from './key-pin.ts';
import { ceremonies, type Registration, register, type SignIn, signIn } from './page.ts';

let daemon: Daemon;
let pin: KeyPin;
let window: ChromiumWindow;

beforeAll(async () => {
  [daemon, window] = await Promise.all([startDaemon({ consent: 'scripted' }), openChromium()]);
  pin = keyPin(daemon);
});
afterAll(async () => {
  await window?.close();
  await daemon?.stop();
});
beforeEach(async () => {
  await daemon.control.setConsent('always');
  await daemon.control.reset();
  await daemon.node();
});

describe('in the dialogs of Chromium', () => {
  let relyingParty: RelyingParty;
  beforeEach(async () => {
    relyingParty = await startRelyingParty({ port: 0 });
    await window.goto(relyingParty.url);
    await window.page.evaluate(`{ ${ceremonies} }`);
  });
  afterEach(() => relyingParty.close());

  /** Starts what its dialogs hold up until they are answered. */
  const begin = (ceremony: string) => window.page.evaluate(`void (outcome = ${ceremony})`);
  const outcome = <T>() => window.page.evaluate('outcome') as Promise<T>;
  const passkey = (userName: string) =>
    register({ userName, residentKey: 'required', attestation: 'none', userVerification: 'required' });

  async function enterPin(digits: string): Promise<void> {
    await window.says('Enter the PIN for your security key');
    await window.type(digits);
    await window.press('Return');
  }

  test('a key gets its first PIN where a site wants its user verified', async () => {
    await begin(passkey('ada'));
    await window.says('Set up a new PIN for your security key');
    await window.type('2580');
    await window.press('Tab');
    await window.type('2580');
    await window.press('Return');
    expect(await outcome<Registration>()).toMatchObject({ verified: true, flags: { up: true, uv: true } });
    expect(await pin.isRight('2580')).toBe(true);
  });

  test('a wrong PIN costs one try, and the right one registers', async () => {
    await pin.set('2580');
    await begin(passkey('ada'));
    await enterPin('0852');
    await window.says('Incorrect PIN');
    expect(await pin.tries()).toBe(7);
    await enterPin('2580');
    expect(await outcome<Registration>()).toMatchObject({ verified: true, flags: { uv: true } });
    expect(await pin.tries()).toBe(8);
  });

  test('the person signs in without a user name, by PIN and by the choice of an account', async () => {
    await pin.set('2580');
    for (const userName of ['ada', 'grace']) {
      await begin(passkey(userName));
      await enterPin('2580');
      await outcome();
    }
    await begin(signIn({ userVerification: 'required' }));
    await enterPin('2580');
    await window.says('Which passkey do you want to use for localhost?');
    // The newest is on top.
    await window.press('Tab', 'Return');
    expect(await outcome<SignIn>()).toMatchObject({
      verified: true,
      userName: 'ada',
      withoutUserName: true,
      flags: { uv: true },
    });
  });
});
