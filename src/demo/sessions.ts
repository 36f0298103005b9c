// Who is talking: a random cookie per browser, and the account that it signed in to.

import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';

const cookieName = 'passfob-demo';

/** More than this many at once, and the oldest are forgotten. */
const capacity = 1000;

export interface Session {
  readonly id: string;
  signedInAs: string | undefined;
}

export class Sessions {
  readonly #byId = new Map<string, Session>();

  /** The session of a request, if it has one. */
  find(request: IncomingMessage): Session | undefined {
    const id = request.headers.cookie?.match(new RegExp(`(?:^|; )${cookieName}=([\\w-]+)`))?.[1];
    return id === undefined ? undefined : this.#byId.get(id);
  }

  /** The session of a request, or a new one, whose cookie the response then sets. No script can read it. */
  open(request: IncomingMessage, response: ServerResponse): Session {
    const known = this.find(request);
    if (known) {
      return known;
    }
    const session: Session = { id: randomBytes(32).toString('base64url'), signedInAs: undefined };
    this.#byId.set(session.id, session);
    for (const oldest of this.#byId.keys()) {
      if (this.#byId.size <= capacity) {
        break;
      }
      this.#byId.delete(oldest);
    }
    response.setHeader('set-cookie', `${cookieName}=${session.id}; HttpOnly; SameSite=Strict; Path=/`);
    return session;
  }
}
