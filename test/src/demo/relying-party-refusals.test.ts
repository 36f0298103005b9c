// What the demo's relying party refuses: replays, stale and foreign challenges, others' names and keys, malformed requests.

import { request as httpRequest } from 'node:http';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { challengeLifetimeMs } from '../../../src/demo/challenges.ts';
import { maxBodyBytes } from '../../../src/demo/http.ts';
import { createCredential, getCredential } from '../../../src/platform/webauthn-client.ts';
import { DemoSite } from './demo-site.ts';

let site: DemoSite;
beforeEach(async () => {
  site = await DemoSite.start();
});
afterEach(() => site.close());

async function stillWorks(): Promise<void> {
  expect(await site.browser().register({ userName: 'still here' })).toMatchObject({
    status: 200,
    body: { verified: true },
  });
}

describe('the relying party refuses', () => {
  it('a registration that is sent twice', async () => {
    const browser = site.browser();
    const response = await browser.createFor({ userName: 'ada' });
    await browser.post('/register/verify', response);

    const replayed = await browser.post('/register/verify', response);

    expect(replayed).toMatchObject({ status: 400, body: { error: { code: 'unknown-challenge' } } });
  });

  it('a sign-in that is sent twice', async () => {
    const browser = site.browser();
    await browser.register({ userName: 'ada' });
    const response = await browser.getFor({ userName: 'ada' });
    await browser.post('/sign-in/verify', response);

    const replayed = await browser.post('/sign-in/verify', response);

    expect(replayed).toMatchObject({ status: 400, body: { error: { code: 'unknown-challenge' } } });
  });

  it('a challenge that failed once', async () => {
    const browser = site.browser();
    const response = await browser.createFor({ userName: 'ada' });
    await browser.post('/register/verify', { ...response, rawId: 'AAAA' });

    expect(await browser.post('/register/verify', response)).toMatchObject({
      body: { error: { code: 'unknown-challenge' } },
    });
  });

  it("another session's challenge", async () => {
    const response = await site.browser().createFor({ userName: 'ada' });

    const { body } = await site.browser().post('/register/verify', response);

    expect(body.error.code).toBe('unknown-challenge');
  });

  it("a registration's challenge in a sign-in", async () => {
    const browser = site.browser();
    const response = await browser.createFor({ userName: 'ada' });

    const { body } = await browser.post('/sign-in/verify', response);

    expect(body.error.code).toBe('unknown-challenge');
  });

  it('a challenge that is too old', async () => {
    const browser = site.browser();
    const response = await browser.createFor({ userName: 'ada' });
    site.clock.now += challengeLifetimeMs;

    const late = await browser.post('/register/verify', response);

    expect(late).toMatchObject({ status: 400, body: { error: { code: 'expired-challenge' } } });
  });

  it('what a client made for another origin', async () => {
    const browser = site.browser();
    const registration = await browser.post(
      '/register/verify',
      await browser.createFor({ userName: 'ada' }, 'http://localhost:1'),
    );
    await browser.register({ userName: 'ada' });
    const signIn = await browser.post(
      '/sign-in/verify',
      await browser.getFor({ userName: 'ada' }, 'http://localhost:1'),
    );

    expect(registration).toMatchObject({ status: 400, body: { error: { code: 'not-verified' } } });
    expect(registration.body.error.message).toContain('origin');
    expect(signIn).toMatchObject({ status: 400, body: { error: { code: 'not-verified' } } });
  });

  it('a signature with one byte changed', async () => {
    const browser = site.browser();
    await browser.register({ userName: 'ada' });
    const signIn = await browser.getFor({ userName: 'ada' });
    const authenticatorData = Buffer.from(signIn.response.authenticatorData, 'base64url');
    authenticatorData[36] = (authenticatorData[36] ?? 0) + 1;

    const { body } = await browser.post('/sign-in/verify', {
      ...signIn,
      response: { ...signIn.response, authenticatorData: authenticatorData.toString('base64url') },
    });

    expect(body.error.code).toBe('not-verified');
  });

  it('a counter that does not rise', async () => {
    const browser = site.browser();
    await browser.register({ userName: 'ada' });
    const older = await browser.getFor({ userName: 'ada' });
    await browser.post('/sign-in/verify', await browser.getFor({ userName: 'ada' }));

    const { body } = await browser.post('/sign-in/verify', older);

    expect(body.error).toMatchObject({ code: 'not-verified', message: expect.stringContaining('counter') });
  });

  it('a missing user verification that it required', async () => {
    const browser = site.browser();
    const { body } = await browser.post('/register/options', { userName: 'ada', userVerification: 'required' });
    const careless = { ...body, authenticatorSelection: {} };
    const response = await createCredential(site.ctap, careless, { origin: site.url });

    const { body: answer } = await browser.post('/register/verify', response);

    expect(answer.error).toMatchObject({ code: 'not-verified', message: expect.stringContaining('verif') });
  });

  it('a user that nobody registered', async () => {
    const answer = await site.browser().post('/sign-in/options', { userName: 'bob' });

    expect(answer).toMatchObject({ status: 404, body: { error: { code: 'unknown-user' } } });
    expect(answer.body.error.message).toBe('nobody is registered here as "bob"');
  });

  it("another account's key under a user name", async () => {
    const browser = site.browser();
    await browser.register({ userName: 'ada', residentKey: 'required' });
    await site.browser().register({ userName: 'bob' });
    const { body } = await browser.post('/sign-in/options', { userName: 'bob' });
    const { allowCredentials: _, ...anyCredential } = body;

    const answer = await browser.post(
      '/sign-in/verify',
      await getCredential(site.ctap, anyCredential, { origin: site.url }),
    );

    expect(answer).toMatchObject({ status: 404, body: { error: { code: 'unknown-credential' } } });
  });

  it("another account's user handle", async () => {
    const browser = site.browser();
    await browser.register({ userName: 'ada', residentKey: 'required' });
    const signIn = await browser.getFor({});

    const answer = await browser.post('/sign-in/verify', {
      ...signIn,
      response: { ...signIn.response, userHandle: 'AAAA' },
    });

    expect(answer).toMatchObject({ status: 400, body: { error: { code: 'wrong-user-handle' } } });
  });

  it('a credential that is registered already', async () => {
    const [browser, thief] = [site.browser(), site.browser()];
    const first = await browser.createFor({ userName: 'ada' });
    await browser.post('/register/verify', first);
    const second = await thief.createFor({ userName: 'bob' });

    const answer = await thief.post('/register/verify', {
      ...first,
      response: { ...first.response, clientDataJSON: second.response.clientDataJSON },
    });

    expect(answer).toMatchObject({ status: 409, body: { error: { code: 'credential-taken' } } });
  });

  it('a name that somebody else has, but not the key of its owner', async () => {
    const owner = site.browser();
    await owner.register({ userName: 'ada' });

    const stranger = await site.browser().post('/register/options', { userName: 'ada' });
    const again = await owner.post('/register/options', { userName: 'ada' });

    expect(stranger).toMatchObject({ status: 409, body: { error: { code: 'user-name-taken' } } });
    expect(again.status).toBe(200);
    expect(again.body.excludeCredentials).toHaveLength(1);
  });

  it('a name that somebody else took in the meantime', async () => {
    const slow = site.browser();
    const response = await slow.createFor({ userName: 'ada' });
    await site.browser().register({ userName: 'ada' });

    expect(await slow.post('/register/verify', response)).toMatchObject({ status: 409 });
  });

  it.each([
    ['no JSON', 'POST', '/register/options', '{"userName":', 400, 'malformed-json'],
    ['a JSON array', 'POST', '/register/options', '[]', 400, 'malformed-json'],
    ['null', 'POST', '/sign-in/options', 'null', 400, 'malformed-json'],
    ['no user name', 'POST', '/register/options', '{}', 400, 'bad-user-name'],
    ['an empty user name', 'POST', '/register/options', '{"userName":"  "}', 400, 'bad-user-name'],
    ['a user name with a line break', 'POST', '/register/options', '{"userName":"a\\nb"}', 400, 'bad-user-name'],
    ['a long user name', 'POST', '/register/options', `{"userName":"${'a'.repeat(65)}"}`, 400, 'bad-user-name'],
    ['an unknown choice', 'POST', '/register/options', '{"userName":"a","attestation":"x"}', 400, 'bad-choice'],
    ['no credential', 'POST', '/register/verify', '{}', 400, 'malformed-response'],
    ['a credential of other types', 'POST', '/sign-in/verify', '{"response":7}', 400, 'malformed-response'],
    [
      'client data that is no JSON',
      'POST',
      '/sign-in/verify',
      '{"response":{"clientDataJSON":"AA"}}',
      400,
      'malformed-response',
    ],
    [
      'client data that is null',
      'POST',
      '/sign-in/verify',
      '{"response":{"clientDataJSON":"bnVsbA"}}',
      400,
      'malformed-response',
    ],
    ['an unknown path', 'POST', '/admin', '{}', 404, 'not-found'],
    ['an unknown method', 'PUT', '/accounts', '{}', 405, 'bad-method'],
  ])('%s, and lives on', async (_, method, path, body, status, code) => {
    const headers = { 'content-type': 'application/json' };
    const response = await fetch(site.url + path, { method, headers, body });

    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { code } });
    await stillWorks();
  });

  it('a body that is not declared as JSON, as forms of other sites send it', async () => {
    const answer = await site.browser().post('/register/options', '{"userName":"a"}', { 'content-type': 'text/plain' });

    expect(answer).toMatchObject({ status: 415 });
  });

  it('a body over 64 KiB, and lives on', async () => {
    const fits = await site.browser().post('/register/options', {
      userName: 'a',
      padding: 'x'.repeat(maxBodyBytes - 100),
    });
    const tooLarge = await site.browser().post('/register/options', {
      userName: 'a',
      padding: 'x'.repeat(maxBodyBytes),
    });

    expect(fits.status).toBe(200);
    expect(tooLarge).toMatchObject({ status: 413, body: { error: { code: 'body-too-large' } } });
    await stillWorks();
  });

  it("another site's page, by its origin or by a name of its own", async () => {
    const foreign = await site
      .browser()
      .post('/register/options', { userName: 'a' }, { origin: 'https://evil.example' });
    const rebound = await new Promise<number | undefined>((resolve) => {
      const options = { port: new URL(site.url).port, host: '127.0.0.1', headers: { host: 'evil.example' } };
      httpRequest(options, (response) => resolve(response.resume().statusCode)).end();
    });

    expect(foreign).toMatchObject({ status: 403, body: { error: { code: 'wrong-origin' } } });
    expect(rebound).toBe(403);
  });
});
