// What browsers are asked to do with the key: one list of tests, run in each browser against the demo's relying party,
// whose verdict (by @simplewebauthn/server) is what counts. All of them over uhid; registration and sign-in over every transport.

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { DecodedRegistration, DecodedSignIn } from '../../src/demo/decoded.ts';
import { type RelyingParty, startRelyingParty } from '../../src/demo/relying-party.ts';
import { type Daemon, startDaemon, type Transport } from './daemon.ts';
import { type Choices, ceremonies } from './page.ts';

/** A page in a browser. Playwright's and Puppeteer's both are one. */
export interface Tab {
  goto(url: string): Promise<unknown>;
  /** The value of a JavaScript expression, awaited if it is a promise. */
  evaluate(expression: string): Promise<unknown>;
  type(selector: string, text: string): Promise<void>;
  click(selector: string): Promise<void>;
  waitForSelector(selector: string): Promise<unknown>;
}

export interface Browser {
  readonly tab: Tab;
  /** It says in a dialog of its own that the key is registered already; until that is closed, the page waits. */
  readonly tellsPersonFirst: boolean;
  close(): Promise<unknown>;
}

const ours = 'f09a41a5-2352-4e64-8438-a09860401cfb';

/** Defines all tests for one browser, which is started once for them and sees keys come and go. */
export function testBrowser(name: string, transports: readonly Transport[], launch: () => Promise<Browser>): void {
  describe(name, () => {
    let browser: Browser;
    beforeAll(async () => {
      browser = await launch();
    });
    afterAll(() => browser?.close());

    for (const transport of transports) testTransport(transport, () => browser);
  });
}

function testTransport(transport: Transport, launched: () => Browser): void {
  describe(`over ${transport}`, () => {
    let daemon: Daemon;
    let browser: Browser;
    let relyingParty: RelyingParty;
    let tab: Tab;

    beforeAll(async () => {
      // Chromium makes and uses discoverable credentials of a security key with user verification only.
      daemon = await startDaemon({ transport, consent: 'scripted', verify: true });
      await daemon.node();
      await daemon.control.setConsent('always');
      browser = launched();
      tab = browser.tab;
    });
    afterAll(() => daemon?.stop());

    // All relying parties are `localhost` to the key: what one test leaves would be offered to the next one.
    beforeEach(async () => {
      relyingParty = await startRelyingParty({ port: 0 });
      await tab.goto(relyingParty.url);
      await tab.evaluate(`{ ${ceremonies} }`);
    });
    afterEach(async () => {
      await relyingParty.close();
      await daemon.control.setConsent('always');
      for (const { id } of await credentials()) await daemon.control.delete(id);
    });

    const credentials = async () => (await daemon.control.list()).credentials;
    const register = (choices: Choices): Promise<DecodedRegistration> =>
      tab.evaluate(`register(${JSON.stringify(choices)})`) as Promise<DecodedRegistration>;
    const signIn = (choices: { userName?: string }): Promise<DecodedSignIn> =>
      tab.evaluate(`signIn(${JSON.stringify(choices)})`) as Promise<DecodedSignIn>;

    /** Starts a registration, whose end `outcome` and `abort` in the page are for. */
    const begin = (choices: Choices) =>
      tab.evaluate(
        `void (outcome = register(${JSON.stringify(choices)}, abort.signal).then(() => 'done', (e) => e.name))`,
      );

    // A browser sends the same over every transport: there it is enough that the longest of it gets through.
    const isFirst = transport === 'uhid';
    const attestations: Choices['attestation'][] = isFirst ? ['none', 'direct'] : ['direct'];

    describe.each(attestations)('with attestation "%s"', (attestation) => {
      test('registers and signs in, not discoverable: the vault stays empty', async () => {
        const registered = await register({ userName: 'ada', residentKey: 'discouraged', attestation });
        expect(registered).toMatchObject({ verified: true, userName: 'ada', flags: { up: true, at: true } });
        expect(registered.fmt === 'none').toBe(attestation === 'none');

        const signedIn = await signIn({ userName: 'ada' });
        expect(signedIn).toMatchObject({ verified: true, credentialId: registered.credentialId, flags: { up: true } });
        expect(signedIn.signCount).toBeGreaterThan(registered.signCount);
        expect(await credentials()).toEqual([]);
      });

      test('registers and signs in, discoverable, with and without a user name', async () => {
        const registered = await register({ userName: 'grace', residentKey: 'required', attestation });
        const { credentialId } = registered;
        expect(registered).toMatchObject({ verified: true, userName: 'grace', flags: { up: true, at: true } });
        // A browser may hide the model where nobody asked for it.
        if (attestation === 'direct')
          expect(registered).toMatchObject({ fmt: 'packed', attestation: 'self', aaguid: ours });
        else expect(registered.fmt).toBe('none');

        expect(await signIn({ userName: 'grace' })).toMatchObject({
          verified: true,
          credentialId,
          withoutUserName: false,
        });
        expect(await signIn({})).toMatchObject({
          verified: true,
          userName: 'grace',
          credentialId,
          withoutUserName: true,
        });
        expect(await credentials()).toMatchObject([
          { id: credentialId, rpId: 'localhost', userName: 'grace', discoverable: true, algorithm: -7 },
        ]);
      });
    });

    if (!isFirst) return;

    test('refuses to register one key twice for one account, after asking', async () => {
      const choices: Choices = {
        userName: 'ada',
        residentKey: 'discouraged',
        attestation: 'none',
        userVerification: 'discouraged',
      };
      await register(choices);
      await begin(choices);
      await daemon.printed(/registered already: approved/);
      if (browser.tellsPersonFirst) await tab.evaluate('abort.abort()');
      expect(await tab.evaluate('outcome')).toBe(browser.tellsPersonFirst ? 'AbortError' : 'InvalidStateError');
      expect(relyingParty.accounts()).toMatchObject([{ userName: 'ada', credentials: [{}] }]);
    });

    test('stops waiting when the page cancels, and works on afterwards', async () => {
      await daemon.control.setConsent('never');
      // Firefox does not withdraw what it asks a key that verifies its user; a touch it does.
      const choices: Choices = {
        userName: 'ada',
        residentKey: 'discouraged',
        attestation: 'none',
        userVerification: 'discouraged',
      };
      await begin(choices);
      await daemon.printed(/waiting for a touch: register/);
      await tab.evaluate('abort.abort()');
      expect(await tab.evaluate('outcome')).toBe('AbortError');
      await daemon.printed(/: cancelled/);
      await daemon.control.setConsent('always');
      expect(await register(choices)).toMatchObject({ verified: true, userName: 'ada' });
    });

    test('goes through the demo page by clicks', async () => {
      await tab.type('#register [name=userName]', 'alan');
      await tab.click('#register [name=residentKey][value=required]');
      await tab.click('#register [type=submit]');
      await tab.waitForSelector('#message[data-kind=success]');
      expect(await tab.evaluate("document.getElementById('message-text').textContent")).toMatch(/^Registered\..* alan/);
      await tab.click('#sign-out');
      await tab.waitForSelector('#message[data-kind=idle]');
      await tab.click('#sign-in-nameless');
      await tab.waitForSelector('#message[data-kind=success]');
      expect(await tab.evaluate("document.getElementById('message-text').textContent")).toMatch(/^Welcome, alan\./);
      expect(await tab.evaluate("document.getElementById('visitor-name').textContent")).toBe('Signed in as alan');
    });
  });
}
