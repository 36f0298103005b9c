// The relying party's endpoints: which request becomes which ceremony, and what its sender gets to hear.
// Their JSON is described at the head of relying-party.ts.

import type { EventEmitter } from 'node:events';
import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AuthenticationResponseJSON, RegistrationResponseJSON } from '@simplewebauthn/server';
import type { Ceremonies } from './ceremonies.ts';
import { algorithmName, type DecodedRegistration, type DecodedSignIn } from './decoded.ts';
import { readChoice, readJsonObject, send, sendJson } from './http.ts';
import { Refusal } from './refusal.ts';
import { type Session, Sessions } from './sessions.ts';

export interface RelyingPartyEvents {
  registered: [DecodedRegistration];
  'signed-in': [DecodedSignIn];
  /** What was not accepted, with the reason; `internal` if the fault is ours. */
  refused: [{ readonly path: string; readonly code: string; readonly message: string }];
}

const choicesOfThree = ['required', 'preferred', 'discouraged'] as const;
const pageFiles = {
  '/': ['page.html', 'text/html; charset=utf-8'],
  '/page.css': ['page.css', 'text/css; charset=utf-8'],
  '/page.js': ['page.js', 'text/javascript; charset=utf-8'],
  '/icon.svg': ['icon.svg', 'image/svg+xml'],
} as const;

export class Site {
  readonly #origin: string;
  readonly #ceremonies: Ceremonies;
  readonly #events: EventEmitter<RelyingPartyEvents>;
  readonly #sessions = new Sessions();

  constructor(origin: string, ceremonies: Ceremonies, events: EventEmitter<RelyingPartyEvents>) {
    this.#origin = origin;
    this.#ceremonies = ceremonies;
    this.#events = events;
  }

  /** Answers one request; never rejects. */
  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url?.split('?')[0] ?? '/';
    try {
      this.#checkSameOrigin(request);
      if (request.method === 'GET') {
        await this.#get(path, request, response);
      } else if (request.method === 'POST') {
        sendJson(response, 200, await this.#post(path, request, response));
      } else {
        throw new Refusal(405, 'bad-method', 'expected GET or POST');
      }
    } catch (error) {
      const refusal =
        error instanceof Refusal ? error : new Refusal(500, 'internal', 'the demo made a mistake; see its output');
      const { status, code, message } = refusal;
      if (request.method === 'POST' || status === 500) {
        this.#events.emit('refused', { path, code, message: error instanceof Refusal ? message : String(error) });
      }
      if (!request.complete) {
        // The rest of the body is not read: the connection cannot carry another request.
        response.setHeader('connection', 'close');
      }
      sendJson(response, status, { error: { code, message } });
    }
  }

  /** Other sites reach us by a name of their own (DNS rebinding) or with their own origin: neither is the page. */
  #checkSameOrigin({ headers }: IncomingMessage): void {
    if (headers.host !== new URL(this.#origin).host || (headers.origin ?? this.#origin) !== this.#origin) {
      throw new Refusal(403, 'wrong-origin', `this is ${this.#origin}, and it is for its own page only`);
    }
  }

  async #get(path: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (path === '/accounts') {
      sendJson(response, 200, this.#overview(this.#sessions.find(request)));
    } else if (Object.hasOwn(pageFiles, path)) {
      const [file, contentType] = pageFiles[path as keyof typeof pageFiles];
      send(response, 200, contentType, await readFile(new URL(`page/${file}`, import.meta.url)));
    } else {
      throw new Refusal(404, 'not-found', 'there is nothing here');
    }
  }

  async #post(path: string, request: IncomingMessage, response: ServerResponse): Promise<unknown> {
    const body = await readJsonObject(request);
    const session = this.#sessions.open(request, response);
    switch (path) {
      case '/register/options':
        return this.#ceremonies.registrationOptions(
          {
            userName: readUserName(body),
            residentKey: readChoice(body, 'residentKey', choicesOfThree, 'discouraged'),
            attestation: readChoice(body, 'attestation', ['none', 'direct'], 'none'),
            userVerification: readChoice(body, 'userVerification', choicesOfThree, 'preferred'),
          },
          session.id,
          session.signedInAs,
        );
      case '/register/verify': {
        const result = await this.#ceremonies.register(body as unknown as RegistrationResponseJSON, session.id);
        session.signedInAs = result.userName;
        this.#events.emit('registered', result);
        return result;
      }
      case '/sign-in/options':
        return this.#ceremonies.signInOptions(
          {
            userName: body['userName'] === undefined ? undefined : readUserName(body),
            userVerification: readChoice(body, 'userVerification', choicesOfThree, 'preferred'),
          },
          session.id,
        );
      case '/sign-in/verify': {
        const result = await this.#ceremonies.signIn(body as unknown as AuthenticationResponseJSON, session.id);
        session.signedInAs = result.userName;
        this.#events.emit('signed-in', result);
        return result;
      }
      case '/sign-out':
        session.signedInAs = undefined;
        return { signedInAs: null };
      default:
        throw new Refusal(404, 'not-found', 'there is nothing here');
    }
  }

  #overview(session: Session | undefined): unknown {
    return {
      signedInAs: session?.signedInAs ?? null,
      accounts: this.#ceremonies.accounts.list().map(({ userName, credentials }) => ({
        userName,
        credentials: credentials.map(({ publicKey: _, ...shown }) => ({
          ...shown,
          algorithmName: algorithmName(shown.algorithm),
        })),
      })),
    };
  }
}

function readUserName(body: Record<string, unknown>): string {
  const value = body['userName'];
  const userName = typeof value === 'string' ? value.trim() : '';
  if (userName === '' || userName.length > 64 || /\p{Cc}/u.test(userName)) {
    throw new Refusal(400, 'bad-user-name', 'expected a user name of 1 to 64 characters');
  }
  return userName;
}
