// Chromium's own dialogs about a key with a PIN, and its settings page for security keys.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type RelyingParty, startRelyingParty } from '../../src/demo/relying-party.ts';
import { type ChromiumWindow, openChromium } from './chromium-window.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { type KeyPin, keyPin } from './key-pin.ts';
import { makeCredential } from './libfido2.ts';
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

describe('on the settings page of Chromium', () => {
  beforeEach(() => window.goto('chrome://settings/securityKeys'));

  const click = (selector: string) => window.page.locator(selector).click();
  const fill = (field: string, text: string) => window.page.locator(`${field} input`).fill(text);
  const shows = (text: string) => window.page.getByText(text, { exact: true }).first().waitFor();

  test('a key gets a PIN and then another', async () => {
    await click('#setPINButton');
    await fill('#newPIN', '2580');
    await fill('#confirmPIN', '2580');
    await click('#pinSubmit');
    await shows('Your PIN was created');
    await click('settings-security-keys-set-pin-dialog #closeButton');
    expect(await pin.isRight('2580')).toBe(true);

    await click('#setPINButton');
    await fill('#currentPIN', '2580');
    await fill('#newPIN', '14703');
    await fill('#confirmPIN', '14703');
    await click('#pinSubmit');
    await shows('Your PIN was created');
    expect(await pin.isRight('14703')).toBe(true);
  });

  test('sign-in data is listed, renamed and deleted', async () => {
    const { path } = await daemon.node();
    await makeCredential(path, 'example.com', 'ada', '-r');
    await makeCredential(path, 'example.org', 'grace', '-r');
    await pin.set('2580');
    const { credentials } = await daemon.control.list();
    /** A button in the row of one website. */
    const button = (kind: 'edit' | 'delete', website: string) => {
      const id = credentials.find(({ rpId }) => rpId === website)?.id ?? '';
      const hex = Buffer.from(id, 'base64url').toString('hex').toUpperCase();
      return window.page.locator(`.${kind}-button[data-credentialid="${hex}"]`);
    };

    await click('#credentialManagementButton');
    await fill('#pin', '2580');
    await click('#confirmButton');
    await shows('example.com');
    await shows('example.org');
    await button('edit', 'example.org').click();
    await fill('#userNameInput', 'hopper');
    await click('#confirmButton');
    await shows('hopper');
    await button('delete', 'example.com').click();
    await shows('Are you sure you want to delete the selected sign-in data?');
    await click('#confirmButton');
    await button('delete', 'example.com').waitFor({ state: 'detached' });
    expect((await daemon.control.list()).credentials).toMatchObject([{ rpId: 'example.org', userName: 'hopper' }]);
  });

  test('a key that is plugged in again is reset, and everything on it is gone', async () => {
    await makeCredential((await daemon.node()).path, 'example.com', 'ada', '-r');
    await pin.set('2580');
    await daemon.control.setConsent('never');
    await click('#resetButton');
    await daemon.printed(/waiting for a touch: use this key/);
    await daemon.control.replug();
    await daemon.control.setConsent('always');
    await shows('Your security key has been reset');
    expect((await daemon.control.list()).credentials).toEqual([]);
    expect(await pin.isSet()).toBe(false);
  });
});
