import { request as httpRequest } from 'node:http';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { challengeLifetimeMs } from '../../../src/demo/challenges.ts';
import { maxBodyBytes } from '../../../src/demo/http.ts';
import { type RelyingParty, startRelyingParty } from '../../../src/demo/relying-party.ts';
import { CtapClient } from '../../../src/platform/ctap-client.ts';
import { createCredential, getCredential } from '../../../src/platform/webauthn-client.ts';
import { DirectChannel } from '../platform/direct-channel.ts';

let relyingParty: RelyingParty;
let now: number;
let ctap: CtapClient;
beforeEach(async () => {
  now = 0;
  relyingParty = await startRelyingParty({ port: 0, now: () => now });
  ctap = new CtapClient(new DirectChannel());
});
afterEach(() => relyingParty.close());

interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: the tests look at whatever JSON came.
  body: any;
  headers: Headers;
}

/** One browser: keeps the cookie. */
class Browser {
  #cookie = '';

  async post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(relyingParty.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', cookie: this.#cookie, ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    this.#cookie = response.headers.getSetCookie()[0]?.split(';')[0] ?? this.#cookie;
    return { status: response.status, body: await response.json(), headers: response.headers };
  }

  async accounts(): Promise<Answer['body']> {
    const response = await fetch(`${relyingParty.url}/accounts`, { headers: { cookie: this.#cookie } });
    return response.json();
  }

  async createFor(choices: object, origin = relyingParty.url) {
    const { body } = await this.post('/register/options', choices);
    return createCredential(ctap, body, { origin });
  }

  async register(choices: object): Promise<Answer> {
    return this.post('/register/verify', await this.createFor(choices));
  }

  async getFor(choices: object, origin = relyingParty.url) {
    const { body } = await this.post('/sign-in/options', choices);
    return getCredential(ctap, body, { origin });
  }
}

async function stillWorks(): Promise<void> {
  expect(await new Browser().register({ userName: 'still here' })).toMatchObject({
    status: 200,
    body: { verified: true },
  });
}

describe('the relying party', () => {
  it('decodes a registration', async () => {
    const { body } = await new Browser().register({ userName: 'ada', residentKey: 'required', attestation: 'direct' });

    expect(body).toMatchObject({
      verified: true,
      userName: 'ada',
      fmt: 'packed',
      attestation: 'self',
      aaguid: 'f09a41a5-2352-4e64-8438-a09860401cfb',
      flags: { up: true, uv: false, be: false, bs: false, at: true, ed: false },
      signCount: 1,
      algorithm: -7,
      algorithmName: 'ES256',
      discoverable: true,
      transports: ['usb'],
      origin: relyingParty.url,
      rpId: 'localhost',
    });
  });

  it('decodes a sign-in and remembers its counter', async () => {
    const browser = new Browser();
    await browser.register({ userName: 'ada' });

    const { body } = await new Browser().post('/sign-in/options', { userName: 'ada' });
    expect(body.allowCredentials).toHaveLength(1);
    const signIn = await browser.post('/sign-in/verify', await browser.getFor({ userName: 'ada' }));

    expect(signIn.body).toMatchObject({
      verified: true,
      userName: 'ada',
      withoutUserName: false,
      flags: { up: true, at: false },
      previousSignCount: 1,
      signCount: 2,
      fmt: 'none',
    });
    expect(relyingParty.accounts()[0]?.credentials[0]?.signCount).toBe(2);
  });

  it('signs in without a user name', async () => {
    const browser = new Browser();
    await browser.register({ userName: 'ada', residentKey: 'required' });

    const { body } = await browser.post('/sign-in/verify', await browser.getFor({}));

    expect(body).toMatchObject({ userName: 'ada', withoutUserName: true });
  });

  it('passes its choices on to the browser', async () => {
    const choices = { userName: 'ada', residentKey: 'preferred', attestation: 'direct', userVerification: 'required' };

    const { body } = await new Browser().post('/register/options', choices);

    expect(body).toMatchObject({
      attestation: 'direct',
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
      user: { name: 'ada' },
      rp: { id: 'localhost' },
    });
  });

  it('tells of accounts, and who is signed in where', async () => {
    const [browser, other] = [new Browser(), new Browser()];
    await browser.register({ userName: 'ada' });

    const overview = await browser.accounts();

    expect(overview).toMatchObject({
      signedInAs: 'ada',
      accounts: [{ userName: 'ada', credentials: [{ fmt: 'none' }] }],
    });
    expect(overview.accounts[0].credentials[0]).not.toHaveProperty('publicKey');
    expect(await other.accounts()).toMatchObject({ signedInAs: null });
    await browser.post('/sign-out', {});
    expect(await browser.accounts()).toMatchObject({ signedInAs: null });
  });

  it('tells its program of registrations, sign-ins and refusals', async () => {
    const events: string[] = [];
    relyingParty.on('registered', ({ userName }) => events.push(`registered ${userName}`));
    relyingParty.on('signed-in', ({ userName }) => events.push(`signed in ${userName}`));
    relyingParty.on('refused', ({ path, code }) => events.push(`refused ${path} ${code}`));
    const browser = new Browser();

    await browser.register({ userName: 'ada' });
    await browser.post('/sign-in/verify', await browser.getFor({ userName: 'ada' }));
    await browser.post('/sign-in/options', { userName: 'bob' });

    expect(events).toEqual(['registered ada', 'signed in ada', 'refused /sign-in/options unknown-user']);
  });
});

describe('the relying party refuses', () => {
  it('a registration that is sent twice', async () => {
    const browser = new Browser();
    const response = await browser.createFor({ userName: 'ada' });
    await browser.post('/register/verify', response);

    const replayed = await browser.post('/register/verify', response);

    expect(replayed).toMatchObject({ status: 400, body: { error: { code: 'unknown-challenge' } } });
  });

  it('a sign-in that is sent twice', async () => {
    const browser = new Browser();
    await browser.register({ userName: 'ada' });
    const response = await browser.getFor({ userName: 'ada' });
    await browser.post('/sign-in/verify', response);

    const replayed = await browser.post('/sign-in/verify', response);

    expect(replayed).toMatchObject({ status: 400, body: { error: { code: 'unknown-challenge' } } });
  });

  it('a challenge that failed once', async () => {
    const browser = new Browser();
    const response = await browser.createFor({ userName: 'ada' });
    await browser.post('/register/verify', { ...response, rawId: 'AAAA' });

    expect(await browser.post('/register/verify', response)).toMatchObject({
      body: { error: { code: 'unknown-challenge' } },
    });
  });

  it("another session's challenge", async () => {
    const response = await new Browser().createFor({ userName: 'ada' });

    const { body } = await new Browser().post('/register/verify', response);

    expect(body.error.code).toBe('unknown-challenge');
  });

  it("a registration's challenge in a sign-in", async () => {
    const browser = new Browser();
    const response = await browser.createFor({ userName: 'ada' });

    const { body } = await browser.post('/sign-in/verify', response);

    expect(body.error.code).toBe('unknown-challenge');
  });

  it('a challenge that is too old', async () => {
    const browser = new Browser();
    const response = await browser.createFor({ userName: 'ada' });
    now += challengeLifetimeMs;

    const late = await browser.post('/register/verify', response);

    expect(late).toMatchObject({ status: 400, body: { error: { code: 'expired-challenge' } } });
  });

  it('what a client made for another origin', async () => {
    const browser = new Browser();
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
    const browser = new Browser();
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
    const browser = new Browser();
    await browser.register({ userName: 'ada' });
    const older = await browser.getFor({ userName: 'ada' });
    await browser.post('/sign-in/verify', await browser.getFor({ userName: 'ada' }));

    const { body } = await browser.post('/sign-in/verify', older);

    expect(body.error).toMatchObject({ code: 'not-verified', message: expect.stringContaining('counter') });
  });

  it('a missing user verification that it required', async () => {
    const browser = new Browser();
    const { body } = await browser.post('/register/options', { userName: 'ada', userVerification: 'required' });
    const careless = { ...body, authenticatorSelection: {} };
    const response = await createCredential(ctap, careless, { origin: relyingParty.url });

    const { body: answer } = await browser.post('/register/verify', response);

    expect(answer.error).toMatchObject({ code: 'not-verified', message: expect.stringContaining('verif') });
  });

  it('a user that nobody registered', async () => {
    const answer = await new Browser().post('/sign-in/options', { userName: 'bob' });

    expect(answer).toMatchObject({ status: 404, body: { error: { code: 'unknown-user' } } });
    expect(answer.body.error.message).toBe('nobody is registered here as "bob"');
  });

  it("another account's key under a user name", async () => {
    const browser = new Browser();
    await browser.register({ userName: 'ada', residentKey: 'required' });
    await new Browser().register({ userName: 'bob' });
    const { body } = await browser.post('/sign-in/options', { userName: 'bob' });
    const { allowCredentials: _, ...anyCredential } = body;

    const answer = await browser.post(
      '/sign-in/verify',
      await getCredential(ctap, anyCredential, { origin: relyingParty.url }),
    );

    expect(answer).toMatchObject({ status: 404, body: { error: { code: 'unknown-credential' } } });
  });

  it("another account's user handle", async () => {
    const browser = new Browser();
    await browser.register({ userName: 'ada', residentKey: 'required' });
    const signIn = await browser.getFor({});

    const answer = await browser.post('/sign-in/verify', {
      ...signIn,
      response: { ...signIn.response, userHandle: 'AAAA' },
    });

    expect(answer).toMatchObject({ status: 400, body: { error: { code: 'wrong-user-handle' } } });
  });

  it('a credential that is registered already', async () => {
    const [browser, thief] = [new Browser(), new Browser()];
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
    const owner = new Browser();
    await owner.register({ userName: 'ada' });

    const stranger = await new Browser().post('/register/options', { userName: 'ada' });
    const again = await owner.post('/register/options', { userName: 'ada' });

    expect(stranger).toMatchObject({ status: 409, body: { error: { code: 'user-name-taken' } } });
    expect(again.status).toBe(200);
    expect(again.body.excludeCredentials).toHaveLength(1);
  });

  it('a name that somebody else took in the meantime', async () => {
    const slow = new Browser();
    const response = await slow.createFor({ userName: 'ada' });
    await new Browser().register({ userName: 'ada' });

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
    const response = await fetch(relyingParty.url + path, { method, headers, body });

    expect(response.status).toBe(status);
    expect(await response.json()).toMatchObject({ error: { code } });
    await stillWorks();
  });

  it('a body that is not declared as JSON, as forms of other sites send it', async () => {
    const answer = await new Browser().post('/register/options', '{"userName":"a"}', { 'content-type': 'text/plain' });

    expect(answer).toMatchObject({ status: 415 });
  });

  it('a body over 64 KiB, and lives on', async () => {
    const fits = await new Browser().post('/register/options', {
      userName: 'a',
      padding: 'x'.repeat(maxBodyBytes - 100),
    });
    const tooLarge = await new Browser().post('/register/options', {
      userName: 'a',
      padding: 'x'.repeat(maxBodyBytes),
    });

    expect(fits.status).toBe(200);
    expect(tooLarge).toMatchObject({ status: 413, body: { error: { code: 'body-too-large' } } });
    await stillWorks();
  });

  it("another site's page, by its origin or by a name of its own", async () => {
    const foreign = await new Browser().post(
      '/register/options',
      { userName: 'a' },
      { origin: 'https://evil.example' },
    );
    const rebound = await new Promise<number | undefined>((resolve) => {
      const options = { port: new URL(relyingParty.url).port, host: '127.0.0.1', headers: { host: 'evil.example' } };
      httpRequest(options, (response) => resolve(response.resume().statusCode)).end();
    });

    expect(foreign).toMatchObject({ status: 403, body: { error: { code: 'wrong-origin' } } });
    expect(rebound).toBe(403);
  });
});

describe("the relying party's server", () => {
  it.each(['/', '/page.css', '/page.js', '/icon.svg', '/accounts', '/nothing'])('protects %s', async (path) => {
    const { headers } = await fetch(relyingParty.url + path);

    const policy = headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain('unsafe');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('serves a page without inline code or foreign addresses', async () => {
    const html = await (await fetch(relyingParty.url)).text();

    expect(html).toContain('<title>passfob demo</title>');
    expect(html).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=|https?:/);
  });

  it('gives a cookie that no script and no other site can use', async () => {
    const { headers } = await new Browser().post('/sign-in/options', {});

    expect(headers.get('set-cookie')).toMatch(/^passfob-demo=[\w-]{43}; HttpOnly; SameSite=Strict; Path=\/$/);
  });

  it('listens on loopback only', async () => {
    const port = Number(new URL(relyingParty.url).port);
    const outside = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? []);
    const address = outside.find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.2';

    // Whoever listens on every address would have taken this one, too.
    const neighbour = createServer();
    await new Promise<void>((resolve, reject) => {
      neighbour.once('error', reject).listen(port, address, resolve);
    });
    neighbour.close();
  });

  it('says which port is taken', async () => {
    const port = Number(new URL(relyingParty.url).port);

    await expect(startRelyingParty({ port })).rejects.toThrow(
      `expected a free port on localhost, but ${port} is taken`,
    );
  });

  it('takes the next free port if none is asked for', async () => {
    const [first, second] = [await startRelyingParty(), await startRelyingParty()];

    expect(Number(new URL(second.url).port)).toBeGreaterThan(Number(new URL(first.url).port));
    await Promise.all([first.close(), second.close()]);
  });
});
