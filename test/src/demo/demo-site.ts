// A relying party of the demo with a clock that a test sets, a key to answer it, and browsers that are no more than their
// cookie: what a page of it does, without the page.

import { type RelyingParty, startRelyingParty } from '../../../src/demo/relying-party.ts';
import { CtapClient } from '../../../src/platform/ctap-client.ts';
import { createCredential, getCredential } from '../../../src/platform/webauthn-client.ts';
import { DirectChannel } from '../platform/direct-channel.ts';

export class DemoSite {
  readonly relyingParty: RelyingParty;
  readonly clock: { now: number };
  readonly ctap = new CtapClient(new DirectChannel());

  private constructor(relyingParty: RelyingParty, clock: { now: number }) {
    this.relyingParty = relyingParty;
    this.clock = clock;
  }

  static async start(): Promise<DemoSite> {
    const clock = { now: 0 };
    return new DemoSite(await startRelyingParty({ port: 0, now: () => clock.now }), clock);
  }

  get url(): string {
    return this.relyingParty.url;
  }

  browser(): Browser {
    return new Browser(this);
  }

  close(): Promise<void> {
    return this.relyingParty.close();
  }
}

interface Answer {
  status: number;
  // biome-ignore lint/suspicious/noExplicitAny: the tests look at whatever JSON came.
  body: any;
  headers: Headers;
}

/** One browser: keeps the cookie. */
class Browser {
  readonly #site: DemoSite;
  #cookie = '';

  constructor(site: DemoSite) {
    this.#site = site;
  }

  async post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    const response = await fetch(this.#site.url + path, {
      method: 'POST',
      headers: { 'content-type': 'application/json', cookie: this.#cookie, ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    this.#cookie = response.headers.getSetCookie()[0]?.split(';')[0] ?? this.#cookie;
    return { status: response.status, body: await response.json(), headers: response.headers };
  }

  async accounts(): Promise<Answer['body']> {
    const response = await fetch(`${this.#site.url}/accounts`, { headers: { cookie: this.#cookie } });
    return response.json();
  }

  async createFor(choices: object, origin = this.#site.url) {
    const { body } = await this.post('/register/options', choices);
    return createCredential(this.#site.ctap, body, { origin });
  }

  async register(choices: object): Promise<Answer> {
    return this.post('/register/verify', await this.createFor(choices));
  }

  async getFor(choices: object, origin = this.#site.url) {
    const { body } = await this.post('/sign-in/options', choices);
    return getCredential(this.#site.ctap, body, { origin });
  }
}
