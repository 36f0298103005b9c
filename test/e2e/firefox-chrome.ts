// Firefox, headless, with a hand in its own user interface: that is a document, too, which WebDriver BiDi reaches if
// Firefox is told to let it. What Firefox asks about keys stands there: in a dialog over the page or below the address.

import puppeteer, { type Page } from 'puppeteer-core';
import { expect, vi } from 'vitest';
import { firefoxPreferences } from './firefox-preferences.ts';

/** How long a slow machine may take until Firefox asks. */
const patience = { timeout: 60_000, interval: 100 };

export interface Firefox {
  readonly tab: Page;
  /** Answers the dialog that says this with a PIN. */
  enterPin(message: string, pin: string): Promise<void>;
  /** Chooses one of the accounts that Firefox names. */
  choose(account: string): Promise<void>;
  close(): Promise<void>;
}

/** The part of puppeteer's connection that its types leave out. */
interface BidiConnection {
  send(method: string, parameters: unknown): Promise<{ result: unknown }>;
}

export async function openFirefox(): Promise<Firefox> {
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: '/usr/bin/firefox-esr',
    timeout: 240_000,
    protocolTimeout: 240_000,
    args: ['--remote-allow-system-access'],
    extraPrefsFirefox: firefoxPreferences,
  });
  const tab = await browser.newPage();
  tab.setDefaultTimeout(120_000);
  const { connection } = browser as unknown as { connection: BidiConnection };
  const windows = await connection.send('browsingContext.getTree', { 'moz:scope': 'chrome', maxDepth: 0 });
  const [window] = (windows.result as { contexts: { context: string }[] }).contexts;

  /** Waits until an expression is true in the window's own document. */
  const untilTrue = (expression: string) =>
    vi.waitFor(async () => {
      const target = { context: window?.context };
      const { result } = await connection.send('script.evaluate', { expression, target, awaitPromise: true });
      expect(result).toMatchObject({ type: 'success', result: { value: true } });
    }, patience);
  return {
    tab,
    enterPin: (message, pin) => untilTrue(`(${answerDialog})(${JSON.stringify(message)}, ${JSON.stringify(pin)})`),
    async choose(account) {
      const label = JSON.stringify(account);
      await untilTrue(`(${press})(${label})`);
      // What is pressed in the first half second does not count.
      await untilTrue(`!(${press})(${label})`);
    },
    close: () => browser.close(),
  };
}

const answerDialog = `(message, pin) => {
  const frames = [...document.querySelectorAll('.dialogFrame')];
  const dialogs = frames.map((frame) => frame.contentWindow.Dialog?.ui).filter((ui) => ui?.infoBody);
  const dialog = dialogs.find((ui) => ui.infoBody.textContent === message);
  if (!dialog) return false;
  dialog.password1Textbox.value = pin;
  dialog.button0.click();
  return true;
}`;

const press = `(label) => {
  const buttons = [...PopupNotifications.panel.querySelectorAll('moz-button, menuitem')];
  const button = buttons.find((each) => each.getAttribute('label') === label);
  button?.click();
  return button !== undefined;
}`;
