// Chromium in a window. Its dialogs about keys are no part of the page: what they say is read from the accessibility
// tree, as a screen reader would, and they are answered by keyboard.

import { join } from 'node:path';
import { chromium, type Page } from 'playwright-core';
import { expect, onTestFailed, vi } from 'vitest';
import { chromiumFlags } from './chromium-flags.ts';
import { startDisplay } from './display.ts';

/** How long a slow machine may take until a dialog says something. */
const patience = { timeout: 60_000, interval: 100 };

export interface ChromiumWindow {
  readonly page: Page;
  /** Opens an address with the keyboard at hand for dialogs; keeps a picture of the screen if the test fails. */
  goto(url: string): Promise<void>;
  /** Waits until a dialog or the window around the page says this. */
  says(text: string): Promise<void>;
  type(text: string): Promise<void>;
  press(...keys: string[]): Promise<void>;
  close(): Promise<void>;
}

export async function openChromium(): Promise<ChromiumWindow> {
  const display = await startDisplay();
  const context = await chromium.launchPersistentContext('', {
    executablePath: '/usr/bin/chromium',
    headless: false,
    viewport: null,
    timeout: 180_000,
    env: display.env,
    args: [
      ...chromiumFlags,
      '--ozone-platform=x11',
      '--force-renderer-accessibility=basic',
      '--force-prefers-reduced-motion', // Every picture costs an emulated processor time.
    ],
  });
  context.setDefaultTimeout(120_000);
  const page = context.pages()[0] ?? (await context.newPage());
  const reader = await secondTab(page, 'chrome://accessibility');
  return {
    page,
    async goto(url) {
      onTestFailed(() => display.screenshot(join(process.env['OUT'] ?? '', `screen-${Date.now()}.png`)));
      await page.goto(url);
      await page.bringToFront();
      await display.focus(await page.title());
    },
    async says(text) {
      await vi.waitFor(async () => expect(await reader.evaluate(readWindow)).toContain(`name=${text} `), patience);
    },
    type: display.type,
    press: display.press,
    async close() {
      await context.close();
      await display.close();
    },
  };
}

/** A tab in the same window: another window could take the keyboard. */
async function secondTab(page: Page, url: string): Promise<Page> {
  const opened = page.context().waitForEvent('page');
  const session = await page.context().newCDPSession(page);
  await session.send('Target.createTarget', { url });
  return opened;
}

/** In chrome://accessibility: the tree of the one window there is. */
const readWindow = `(async () => {
  const [button] = document.querySelectorAll('#browsers button');
  const window = button.parentElement;
  window.querySelector('pre')?.remove();
  button.click();
  for (;;) {
    const tree = window.querySelector('pre')?.textContent;
    if (tree) return tree;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
})()`;
