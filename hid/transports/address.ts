// How transports are written down: `uhid`, `socket:PATH`, `tcp:HOST:PORT`. One grammar for both ends of the cable.

import { isIPv4 } from 'node:net';

export type SocketAddress =
  | { readonly kind: 'unix'; readonly path: string }
  /** `host` is a literal address of this machine itself; port 0 lets the system choose. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

export type TransportAddress = { readonly kind: 'uhid' } | SocketAddress;

/** Reads a transport's address; an IPv6 host stands in brackets. @throws RangeError that says what was expected */
export function parseTransport(text: string): TransportAddress {
  if (text === 'uhid') return { kind: 'uhid' };
  const [, scheme, rest] = /^(socket|tcp):(.+)$/s.exec(text) ?? [];
  if (scheme === 'socket' && rest !== undefined) return { kind: 'unix', path: rest };
  if (scheme === 'tcp' && rest !== undefined) return parseTcp(rest);
  throw new RangeError(`expected uhid, socket:PATH or tcp:HOST:PORT, got ${JSON.stringify(text)}`);
}

/** The inverse of `parseTransport`. */
export function formatTransport(address: TransportAddress): string {
  switch (address.kind) {
    case 'uhid':
      return 'uhid';
    case 'unix':
      return `socket:${address.path}`;
    case 'tcp':
      return `tcp:${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
  }
}

/** Whoever reaches the port can use the key, so no other machine may. `localhost` is not looked up anywhere. */
export function isLoopback(host: string): boolean {
  return host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

function parseTcp(text: string): SocketAddress {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const name = bracketed ?? plain;
  const port = Number(digits);
  if (name === undefined || port > 65535) {
    throw new RangeError(`expected tcp:HOST:PORT with a port of 0 to 65535, got ${JSON.stringify(`tcp:${text}`)}`);
  }
  const host = name === 'localhost' ? '127.0.0.1' : name;
  if (!isLoopback(host)) throw new RangeError(`expected a loopback address (127.0.0.1 or [::1]), got ${host}`);
  return { kind: 'tcp', host, port };
}
