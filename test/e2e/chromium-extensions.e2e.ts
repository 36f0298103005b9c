// WebAuthn's extensions as Chromium offers them to pages, on a key that verifies its user by itself.

import { parseAuthenticatorData } from '@simplewebauthn/server/helpers';
import { type Browser, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type RelyingParty, startRelyingParty } from '../../src/demo/relying-party.ts';
import { chromiumFlags } from './chromium-flags.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { ceremonies, type Registration, register, type SignIn, type SignInChoices, signIn } from './page.ts';

type Extensions = Readonly<Record<string, unknown>>;

let daemon: Daemon;
let browser: Browser;
let page: Page;
let relyingParty: RelyingParty;

beforeAll(async () => {
  daemon = await startDaemon({ consent: 'scripted', verify: true });
  await daemon.node();
  await daemon.control.setConsent('always');
  browser = await chromium.launch({ executablePath: '/usr/bin/chromium', timeout: 180_000, args: [...chromiumFlags] });
  page = await browser.newPage();
  page.setDefaultTimeout(120_000);
});
afterAll(async () => {
  await browser?.close();
  await daemon?.stop();
});
beforeEach(async () => {
  relyingParty = await startRelyingParty({ port: 0 });
  await page.goto(relyingParty.url);
  await page.evaluate(`{ ${ceremonies} }`);
});
afterEach(() => relyingParty.close());

const registered = (extensions: Extensions) =>
  page.evaluate(
    register({
      userName: 'ada',
      residentKey: 'required',
      attestation: 'none',
      userVerification: 'required',
      extensions,
    }),
  ) as Promise<Registration>;
const signedIn = (extensions: Extensions, choices: SignInChoices = { userName: 'ada' }) =>
  page.evaluate(signIn({ userVerification: 'required', ...choices, extensions })) as Promise<SignIn>;

/** What the key itself said, under its signature. */
const signedExtensions = ({ authenticatorData }: Registration | SignIn) =>
  parseAuthenticatorData(Buffer.from(authenticatorData, 'base64url')).extensionsData;

test('prf gives equal secrets for equal salts, at registration and at sign-in, and different ones otherwise', async () => {
  const [first, second] = ['one', 'two'].map((salt) => Buffer.from(salt).toString('base64url'));
  const atRegistration = await registered({ prf: { eval: { first, second } } });
  expect(atRegistration).toMatchObject({ verified: true, extensions: { prf: { enabled: true } } });
  const { results } = atRegistration.extensions['prf'] as { results: { first: string; second: string } };
  expect(Buffer.from(results.first, 'base64url')).toHaveLength(32);
  expect(results.second).not.toBe(results.first);

  expect(await signedIn({ prf: { eval: { first, second } } })).toMatchObject({ extensions: { prf: { results } } });
  expect(await signedIn({ prf: { eval: { first: second } } }, {})).toMatchObject({
    withoutUserName: true,
    extensions: { prf: { results: { first: results.second } } },
  });
});

test('largeBlob keeps what the site writes', async () => {
  const blob = Buffer.from('a text that is kept on the key').toString('base64url');
  expect(await registered({ largeBlob: { support: 'required' } })).toMatchObject({
    verified: true,
    extensions: { largeBlob: { supported: true } },
  });
  expect(await signedIn({ largeBlob: { write: blob } })).toMatchObject({
    extensions: { largeBlob: { written: true } },
  });
  expect(await signedIn({ largeBlob: { read: true } })).toMatchObject({ extensions: { largeBlob: { blob } } });
});

test('credBlob, credProps, credProtect and minPinLength tell the site what it asked for', async () => {
  await daemon.passfob('config', 'min-pin-length', '6', '--rp', 'localhost');
  const registration = await registered({
    credProps: true,
    credBlob: 'AQID',
    minPinLength: true,
    credentialProtectionPolicy: 'userVerificationRequired',
    enforceCredentialProtectionPolicy: true,
  });
  expect(registration).toMatchObject({ discoverable: true, extensions: { credProps: { rk: true }, credBlob: true } });
  expect(signedExtensions(registration)).toMatchObject({ credProtect: 3, minPinLength: 6, credBlob: true });
  expect(await signedIn({ getCredBlob: true })).toMatchObject({ extensions: { getCredBlob: 'AQID' } });
});
