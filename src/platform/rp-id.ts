// Which relying party an origin may speak for. WebAuthn §5.1.3 step 8 and §5.1.4.1 step 7.
// No public suffix list: single labels (`com`) are refused, suffixes of several labels (`co.uk`) are not known as such.

import { isIP } from 'node:net';
import { WebAuthnError } from './webauthn-error.ts';

/**
 * The RP ID that a caller at `origin` uses: `rpId`, or the origin's host if it is left out.
 * @throws WebAuthnError `SecurityError` if the origin is not one that WebAuthn serves, or the RP ID is not its own.
 */
export function effectiveRpId(origin: string, rpId?: string): string {
  const host = hostOf(origin);
  if (rpId === undefined || rpId === host) {
    return host;
  }
  if (rpId.split('.').includes('') || !host.endsWith(`.${rpId}`)) {
    throw new WebAuthnError('SecurityError', `expected an RP ID that ${host} may use, got ${JSON.stringify(rpId)}`);
  }
  if (!rpId.includes('.') && rpId !== 'localhost') {
    throw new WebAuthnError('SecurityError', `expected an RP ID below a top-level domain, got ${JSON.stringify(rpId)}`);
  }
  return rpId;
}

/** The host of a secure origin: https, or http on this machine. */
function hostOf(origin: string): string {
  const url = URL.canParse(origin) ? new URL(origin) : undefined;
  if (url?.origin !== origin) {
    throw new WebAuthnError(
      'SecurityError',
      `expected an origin like https://example.com, got ${JSON.stringify(origin)}`,
    );
  }
  const { hostname, protocol } = url;
  const local = hostname === 'localhost' || hostname.endsWith('.localhost');
  if (protocol !== 'https:' && !(protocol === 'http:' && local)) {
    throw new WebAuthnError('SecurityError', `expected https, or http on localhost, got ${origin}`);
  }
  if (isIP(hostname) !== 0 || hostname.startsWith('[')) {
    throw new WebAuthnError('SecurityError', `expected a domain name, got the address ${hostname}`);
  }
  return hostname;
}
