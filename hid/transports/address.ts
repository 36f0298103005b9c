// How transports are written down: `uhid`, `gadget:UDC`, `usbip:HOST:PORT`, `socket:PATH`, `tcp:HOST:PORT`. One grammar
// for both ends of the cable.

import { isIP, isIPv4 } from 'node:net';

export type SocketAddress =
  | { readonly kind: 'unix'; readonly path: string }
  /** `host` is a literal address of this machine itself; port 0 lets the system choose. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number };

/** `host` is a literal address, not only of this machine; port 0 lets the system choose. */
export interface UsbIpAddress {
  readonly kind: 'usbip';
  readonly host: string;
  readonly port: number;
}

/** `controller` as in /sys/class/udc; left out: whichever is free. */
export interface GadgetAddress {
  readonly kind: 'gadget';
  readonly controller?: string;
}

export type TransportAddress = { readonly kind: 'uhid' } | GadgetAddress | UsbIpAddress | SocketAddress;

/** The port that is registered for USB/IP. */
const usbIpPort = 3240;

/** Reads a transport's address; an IPv6 host stands in brackets. @throws RangeError that says what was expected */
export function parseTransport(text: string): TransportAddress {
  if (text === 'uhid') return { kind: 'uhid' };
  if (text === 'gadget') return { kind: 'gadget' };
  if (text === 'usbip') return { kind: 'usbip', host: '127.0.0.1', port: usbIpPort };
  const [, scheme, rest] = /^(gadget|socket|tcp|usbip):(.+)$/s.exec(text) ?? [];
  if (scheme === 'socket' && rest !== undefined) return { kind: 'unix', path: rest };
  if (scheme === 'tcp' && rest !== undefined) return parseTcp(rest);
  if (scheme === 'gadget' && rest !== undefined) return parseGadget(rest);
  if (scheme === 'usbip' && rest !== undefined) return parseUsbIp(rest);
  const known = 'uhid, gadget[:UDC], usbip[:HOST:PORT], socket:PATH or tcp:HOST:PORT';
  throw new RangeError(`expected ${known}, got ${JSON.stringify(text)}`);
}

/** The inverse of `parseTransport`. */
export function formatTransport(address: TransportAddress): string {
  switch (address.kind) {
    case 'uhid':
      return 'uhid';
    case 'gadget':
      return address.controller === undefined ? 'gadget' : `gadget:${address.controller}`;
    case 'unix':
      return `socket:${address.path}`;
    case 'tcp':
    case 'usbip':
      return `${address.kind}:${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`;
  }
}

/** Whoever reaches the port can use the key, so no other machine may. `localhost` is not looked up anywhere. */
export function isLoopback(host: string): boolean {
  return host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

function parseGadget(controller: string): GadgetAddress {
  // It becomes part of a path.
  if (!/^[^/]*[^/.][^/]*$/.test(controller)) {
    throw new RangeError(`expected gadget:UDC with a name out of /sys/class/udc, got ${JSON.stringify(controller)}`);
  }
  return { kind: 'gadget', controller };
}

function parseTcp(text: string): SocketAddress {
  const { host, port } = parseHostAndPort('tcp', text);
  if (!isLoopback(host)) throw new RangeError(`expected a loopback address (127.0.0.1 or [::1]), got ${host}`);
  return { kind: 'tcp', host, port };
}

function parseUsbIp(text: string): UsbIpAddress {
  const { host, port } = parseHostAndPort('usbip', text);
  if (isIP(host) === 0) throw new RangeError(`expected an address like 127.0.0.1 or [::1], got ${host}`);
  return { kind: 'usbip', host, port };
}

function parseHostAndPort(scheme: string, text: string): { host: string; port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host === undefined || port > 65535) {
    const got = JSON.stringify(`${scheme}:${text}`);
    throw new RangeError(`expected ${scheme}:HOST:PORT with a port of 0 to 65535, got ${got}`);
  }
  return { host: host === 'localhost' ? '127.0.0.1' : host, port };
}
