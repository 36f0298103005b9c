// Firefox, headless, with its own HID code (authenticator-rs).

import puppeteer from 'puppeteer-core';
import { testBrowser } from './browser.ts';

testBrowser('Firefox', ['uhid'], async () => {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: '/usr/bin/firefox-esr',
    timeout: 240_000,
    protocolTimeout: 240_000,
    extraPrefsFirefox: {
      'security.webauth.webauthn_enable_softtoken': false,
      'security.webauth.webauthn_enable_usbtoken': true,
      // Otherwise Firefox asks a person whether the site may know the model.
      'security.webauthn.always_allow_direct_attestation': true,
    },
  });
  const tab = await browser.newPage();
  tab.setDefaultTimeout(120_000);
  return { tab, tellsPersonFirst: false, close: () => browser.close() };
});
