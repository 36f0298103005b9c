// Chromium, headless, with its own HID code.

import { chromium } from 'playwright-core';
import { testBrowser } from './browser.ts';
import { chromiumFlags } from './chromium-flags.ts';
import { transports } from './daemon.ts';

testBrowser('Chromium', transports, async () => {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    timeout: 180_000,
    args: chromiumFlags,
  });
  const tab = await browser.newPage();
  tab.setDefaultTimeout(120_000);
  return { tab, tellsPersonFirst: true, close: () => browser.close() };
});
