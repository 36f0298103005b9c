// A real relying party on this machine: a page, its endpoints, and @simplewebauthn/server behind them.
// Everything is in memory and gone when it closes. It listens on loopback only.
//
//   GET  /                        the page (page.css, page.js, icon.svg beside it)
//   POST /register/options        { userName, residentKey?, attestation?, userVerification? }
//                                   residentKey: 'required' | 'preferred' | 'discouraged' (left out: 'discouraged')
//                                   attestation: 'none' | 'direct' (left out: 'none')
//                                   userVerification: 'required' | 'preferred' | 'discouraged' (left out: 'preferred')
//                                 -> PublicKeyCredentialCreationOptionsJSON
//   POST /register/verify         RegistrationResponseJSON -> DecodedRegistration (decoded.ts)
//   POST /sign-in/options         { userName?, userVerification? } -> PublicKeyCredentialRequestOptionsJSON
//   POST /sign-in/verify          AuthenticationResponseJSON -> DecodedSignIn (decoded.ts)
//   POST /sign-out                {} -> { signedInAs: null }
//   GET  /accounts                -> { signedInAs: string | null, accounts: [{ userName, credentials: [{ id, fmt,
//                                      aaguid, algorithm, algorithmName, discoverable?, transports, signCount }] }] }
//
// Whoever registered or signed in is signed in. What is refused answers { error: { code, message } } with a 4xx status.
// A challenge is good for one answer from the session (cookie) that asked for it, for five minutes.

import { EventEmitter } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Account } from './accounts.ts';
import { Ceremonies } from './ceremonies.ts';
import { type RelyingPartyEvents, Site } from './site.ts';

export interface RelyingParty {
  /** `http://localhost:8787`: the page's address and the origin of its ceremonies. */
  readonly url: string;
  accounts(): readonly Account[];
  on<E extends keyof RelyingPartyEvents>(event: E, listener: (...args: RelyingPartyEvents[E]) => void): void;
  close(): Promise<void>;
}

/** Where the demo is found if nobody says otherwise; the next ports are tried if it is taken. */
export const defaultPort = 8787;
const portsToTry = 20;

/**
 * Starts the relying party. `port` 0 takes any free one; left out, the first free one from 8787 on.
 * `now` is the clock for the age of challenges, in milliseconds.
 * @throws Error if the port is taken.
 */
export async function startRelyingParty(options: { port?: number; now?: () => number } = {}): Promise<RelyingParty> {
  const server = createServer();
  const url = `http://localhost:${await listen(server, options.port)}`;
  const events = new EventEmitter<RelyingPartyEvents>();
  const ceremonies = new Ceremonies(url, options.now ?? Date.now);
  const site = new Site(url, ceremonies, events);
  server.on('request', (request, response) => void site.answer(request, response));
  return {
    url,
    accounts: () => ceremonies.accounts.list(),
    on: (event, listener) => {
      events.on(event, listener as never);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function listen(server: Server, port: number | undefined): Promise<number> {
  const first = port ?? defaultPort;
  const last = port === undefined ? first + portsToTry - 1 : first;
  for (let candidate = first; ; candidate++) {
    try {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(candidate, '127.0.0.1', () => {
          server.off('error', reject);
          resolve();
        });
      });
      return (server.address() as AddressInfo).port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') {
        throw error;
      }
      if (candidate === last) {
        throw new Error(
          `expected a free port on localhost, but ${first === last ? first : `${first} to ${last}`} is taken`,
        );
      }
    }
  }
}
