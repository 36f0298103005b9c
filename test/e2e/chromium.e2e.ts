// Chromium, headless, with its own HID code.

import { chromium } from 'playwright-core';
import { testBrowser } from './browser.ts';
import { transports } from './daemon.ts';

testBrowser('Chromium', transports, async () => {
  const browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    timeout: 180_000,
    args: [
      '--no-sandbox', // The tests run as root.
      '--disable-gpu',
      '--disable-gpu-watchdog', // An emulated processor is slow, not hung.
      '--disable-gpu-process-crash-limit', // Nor is its software renderer reliable, which no test here needs.
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  const tab = await browser.newPage();
  tab.setDefaultTimeout(120_000);
  return { tab, tellsPersonFirst: true, close: () => browser.close() };
});
