// Firefox, headless, with its own HID code (authenticator-rs).

import puppeteer from 'puppeteer-core';
import { testBrowser } from './browser.ts';
import { firefoxPreferences } from './firefox-preferences.ts';

testBrowser('Firefox', ['uhid'], async () => {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: '/usr/bin/firefox-esr',
    timeout: 240_000,
    protocolTimeout: 240_000,
    extraPrefsFirefox: firefoxPreferences,
  });
  const tab = await browser.newPage();
  tab.setDefaultTimeout(120_000);
  return { tab, tellsPersonFirst: false, close: () => browser.close() };
});
