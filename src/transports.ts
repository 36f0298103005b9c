// From the words of `--transport` to transports: what `auto` means on this machine, and how the key presents itself.

import { accessSync, constants } from 'node:fs';
import { dirname, join } from 'node:path';
import type { DeviceIdentity, HidTransport } from '../hid/transport.ts';
import { isLoopback, parseTransport, type TransportAddress, type UsbIpAddress } from '../hid/transports/address.ts';
import { SocketTransport } from '../hid/transports/socket.ts';
import { UhidTransport } from '../hid/transports/uhid.ts';
import { UsbGadgetTransport } from '../hid/transports/usb-gadget.ts';
import { UsbIpTransport } from '../hid/transports/usbip.ts';
import { type Config, runtimeDirectory } from './config.ts';
import { vaultTag } from './control/address.ts';
import { exitCode, UserError } from './errors.ts';
import { ensurePrivateDirectory } from './private-directory.ts';

/** What the configuration may change of how a key presents itself. */
export type OwnIdentity = Pick<Config, 'productName' | 'serialNumber'>;

/** Vendor and product id of open-source prototypes at pid.codes: no client treats them as a known vendor's device. */
export function deviceIdentity(vaultDirectory: string, own?: OwnIdentity): DeviceIdentity {
  return {
    productName: own?.productName ?? 'passfob FIDO2 key',
    vendorId: 0x1209,
    productId: 0x0001,
    deviceVersion: 0x0100,
    serialNumber: own?.serialNumber ?? `PF${vaultTag(vaultDirectory).toUpperCase()}`,
  };
}

export interface TransportOptions {
  /** A USB/IP device is attached to this kernel as well. */
  readonly attach?: boolean;
  /** A USB/IP server may listen on addresses that other machines reach. */
  readonly allowRemote?: boolean;
}

/** @throws UserError for words that name no transport, and for options that none of them has. */
export function createTransports(
  words: readonly string[],
  vaultDirectory: string,
  { own, ...options }: TransportOptions & { readonly own?: OwnIdentity } = {},
): HidTransport[] {
  const identity = deviceIdentity(vaultDirectory, own);
  const transports = [...new Set(words.map((word) => (word === 'auto' ? automatic(vaultDirectory) : word)))].map(
    (word) => createTransport(word, identity, options),
  );
  const option = options.attach ? '--attach' : options.allowRemote ? '--allow-remote' : undefined;
  if (option && !transports.some((transport) => transport instanceof UsbIpTransport)) {
    throw new UserError(
      `${option} is for USB/IP, and no transport is`,
      'add `--transport usbip`, or leave it out',
      exitCode.usage,
    );
  }
  return transports;
}

/** Whether programs on this machine can be shown a HID device. */
export function canCreateHidDevice(): boolean {
  try {
    accessSync('/dev/uhid', constants.R_OK | constants.W_OK);
    return true;
  } catch {
    return false;
  }
}

/** A kernel device where this user may make one; otherwise a socket that only this user can reach. */
function automatic(vaultDirectory: string): string {
  return canCreateHidDevice() ? 'uhid' : `socket:${join(runtimeDirectory(), `key-${vaultTag(vaultDirectory)}.sock`)}`;
}

function createTransport(word: string, identity: DeviceIdentity, options: TransportOptions): HidTransport {
  const address = readAddress(word);
  if (address.kind === 'uhid') return new UhidTransport(identity);
  if (address.kind === 'gadget') return new UsbGadgetTransport(address, identity);
  if (address.kind === 'usbip') return createUsbIp(address, identity, options);
  if (address.kind === 'unix' && dirname(address.path) === runtimeDirectory())
    ensurePrivateDirectory(runtimeDirectory());
  return new SocketTransport(address);
}

function createUsbIp(
  address: UsbIpAddress,
  identity: DeviceIdentity,
  { attach = false, allowRemote = false }: TransportOptions,
): HidTransport {
  if (!isLoopback(address.host) && !allowRemote) {
    throw new UserError(
      `${address.host} can be reached from other machines, and whoever reaches a USB/IP port can use the key`,
      'take 127.0.0.1 and a tunnel such as ssh -R, or say --allow-remote if every machine there is yours',
      exitCode.usage,
    );
  }
  return new UsbIpTransport(address, identity, { attach });
}

function readAddress(word: string): TransportAddress {
  try {
    return parseTransport(word);
  } catch (error) {
    throw new UserError(
      `unknown transport: ${(error as RangeError).message}`,
      '`--transport auto` takes what this machine has',
      exitCode.usage,
    );
  }
}
