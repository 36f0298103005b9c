// The demo's relying party: what it tells of registrations, sign-ins and accounts, and how its server serves them.

import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { startRelyingParty } from '../../../src/demo/relying-party.ts';
import { DemoSite } from './demo-site.ts';

let site: DemoSite;
beforeEach(async () => {
  site = await DemoSite.start();
});
afterEach(() => site.close());

describe('the relying party', () => {
  it('decodes a registration', async () => {
    const { body } = await site.browser().register({ userName: 'ada', residentKey: 'required', attestation: 'direct' });

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
      origin: site.url,
      rpId: 'localhost',
    });
  });

  it('decodes a sign-in and remembers its counter', async () => {
    const browser = site.browser();
    await browser.register({ userName: 'ada' });

    const { body } = await site.browser().post('/sign-in/options', { userName: 'ada' });
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
    expect(site.relyingParty.accounts()[0]?.credentials[0]?.signCount).toBe(2);
  });

  it('signs in without a user name', async () => {
    const browser = site.browser();
    await browser.register({ userName: 'ada', residentKey: 'required' });

    const { body } = await browser.post('/sign-in/verify', await browser.getFor({}));

    expect(body).toMatchObject({ userName: 'ada', withoutUserName: true });
  });

  it('passes its choices on to the browser', async () => {
    const choices = { userName: 'ada', residentKey: 'preferred', attestation: 'direct', userVerification: 'required' };

    const { body } = await site.browser().post('/register/options', choices);

    expect(body).toMatchObject({
      attestation: 'direct',
      authenticatorSelection: { residentKey: 'preferred', userVerification: 'required' },
      user: { name: 'ada' },
      rp: { id: 'localhost' },
    });
  });

  it('tells of accounts, and who is signed in where', async () => {
    const [browser, other] = [site.browser(), site.browser()];
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
    site.relyingParty.on('registered', ({ userName }) => events.push(`registered ${userName}`));
    site.relyingParty.on('signed-in', ({ userName }) => events.push(`signed in ${userName}`));
    site.relyingParty.on('refused', ({ path, code }) => events.push(`refused ${path} ${code}`));
    const browser = site.browser();

    await browser.register({ userName: 'ada' });
    await browser.post('/sign-in/verify', await browser.getFor({ userName: 'ada' }));
    await browser.post('/sign-in/options', { userName: 'bob' });

    expect(events).toEqual(['registered ada', 'signed in ada', 'refused /sign-in/options unknown-user']);
  });
});

describe("the relying party's server", () => {
  it.each(['/', '/page.css', '/page.js', '/icon.svg', '/accounts', '/nothing'])('protects %s', async (path) => {
    const { headers } = await fetch(site.url + path);

    const policy = headers.get('content-security-policy');
    expect(policy).toContain("default-src 'none'");
    expect(policy).toContain("script-src 'self'");
    expect(policy).not.toContain('unsafe');
    expect(headers.get('x-content-type-options')).toBe('nosniff');
  });

  it('serves a page without inline code or foreign addresses', async () => {
    const html = await (await fetch(site.url)).text();

    expect(html).toContain('<title>passfob demo</title>');
    expect(html).not.toMatch(/<script(?![^>]*\ssrc=)|<style|\son\w+=|\sstyle=|https?:/);
  });

  it('gives a cookie that no script and no other site can use', async () => {
    const { headers } = await site.browser().post('/sign-in/options', {});

    expect(headers.get('set-cookie')).toMatch(/^passfob-demo=[\w-]{43}; HttpOnly; SameSite=Strict; Path=\/$/);
  });

  it('listens on loopback only', async () => {
    const port = Number(new URL(site.url).port);
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
    const port = Number(new URL(site.url).port);

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
