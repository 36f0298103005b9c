// Firefox and a key with a PIN: passkeys, with what Firefox asks its user.

import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type RelyingParty, startRelyingParty } from '../../src/demo/relying-party.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { type Firefox, openFirefox } from './firefox-chrome.ts';
import { type KeyPin, keyPin } from './key-pin.ts';
import { ceremonies, type Registration, register, type SignIn, signIn } from './page.ts';

let daemon: Daemon;
let pin: KeyPin;
let firefox: Firefox;
let relyingParty: RelyingParty;

beforeAll(async () => {
  [daemon, firefox] = await Promise.all([startDaemon(), openFirefox()]);
  pin = keyPin(daemon);
});
afterAll(async () => {
  await firefox?.close();
  await daemon?.stop();
});
beforeEach(async () => {
  await daemon.control.reset();
  await daemon.node();
  await pin.set('2580');
  relyingParty = await startRelyingParty({ port: 0 });
  await firefox.tab.goto(relyingParty.url);
  await firefox.tab.evaluate(`{ ${ceremonies} }`);
});
afterEach(() => relyingParty.close());

/** Starts what waits for its user. */
const begin = (ceremony: string) => firefox.tab.evaluate(`void (outcome = ${ceremony})`);
const outcome = <T>() => firefox.tab.evaluate('outcome') as Promise<T>;
const enterPin = (digits: string) => firefox.enterPin('Please enter the PIN for your device.', digits);
const passkey = (userName: string) =>
  register({ userName, residentKey: 'required', attestation: 'none', userVerification: 'required' });

test('a wrong PIN costs one try, and the right one registers a passkey', async () => {
  await begin(passkey('ada'));
  await enterPin('0852');
  await firefox.enterPin('Incorrect PIN. Try again.', '2580');
  expect(await outcome<Registration>()).toMatchObject({ verified: true, flags: { uv: true } });
  expect((await daemon.control.list()).credentials).toMatchObject([{ userName: 'ada', discoverable: true }]);
  expect(await pin.tries()).toBe(8);
});

test('the person signs in without a user name, by PIN and by the choice of an account', async () => {
  for (const userName of ['ada', 'grace']) {
    await begin(passkey(userName));
    await enterPin('2580');
    await outcome();
  }
  await begin(signIn({ userVerification: 'required' }));
  await enterPin('2580');
  await firefox.choose('ada');
  expect(await outcome<SignIn>()).toMatchObject({
    verified: true,
    userName: 'ada',
    withoutUserName: true,
    flags: { uv: true },
  });
});
