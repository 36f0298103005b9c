// Chromium's settings page for security keys. It is loaded without the rest of the settings, whose nine hundred modules take
// an emulated processor six minutes: the same elements, handlers and dialogs, in an empty page of the same origin.

import { type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { chromiumFlags } from './chromium-flags.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { type KeyPin, keyPin } from './key-pin.ts';
import { makeCredential } from './libfido2.ts';

/** In the text of the module that names all pages of the settings: shows the one for security keys instead. */
const showSecurityKeys = `(async () => {
  const [path] = document.body.textContent.match(/[^'"]*security_keys_subpage\\.js/);
  await import('chrome://settings/strings.m.js');
  await import(new URL(path, location.href).href);
  document.body.replaceChildren(document.createElement('security-keys-subpage'));
})()`;

describe('on the settings page of Chromium', () => {
  let daemon: Daemon;
  let pin: KeyPin;
  let context: BrowserContext;
  let page: Page;
  beforeAll(async () => {
    [daemon, context] = await Promise.all([
      startDaemon({ consent: 'scripted' }),
      chromium.launchPersistentContext('', {
        executablePath: '/usr/bin/chromium',
        headless: true,
        timeout: 180_000,
        args: [...chromiumFlags],
      }),
    ]);
    pin = keyPin(daemon);
    context.setDefaultTimeout(120_000);
    page = context.pages()[0] ?? (await context.newPage());
  });
  afterAll(async () => {
    await context?.close();
    await daemon?.stop();
  });
  beforeEach(async () => {
    await daemon.control.setConsent('always');
    await daemon.control.reset();
    await daemon.node();
    await page.goto('chrome://settings/lazy_load.js');
    await page.evaluate(showSecurityKeys);
  });

  const click = (selector: string) => page.locator(selector).click();
  const fill = (field: string, text: string) => page.locator(`${field} input`).fill(text);
  const shows = (text: string) => page.getByText(text, { exact: true }).first().waitFor();

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
      return page.locator(`.${kind}-button[data-credentialid="${hex}"]`);
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
