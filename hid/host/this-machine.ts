// The ports through which hid/host/ looks at this machine: node-hid, usb, sysfs and /dev. The two libraries are native
// and loaded only when asked for: a machine where one does not load can still be a key.

import { type FSWatcher, watch } from 'node:fs';
import { TransportError } from '../transport-error.ts';
import { type DevicePlace, devicePlace } from './device-place.ts';
import type { RawUsbDevice } from './usb-device.ts';

/** What is used of a device of node-hid. */
export interface RawHidDevice {
  readonly path?: string | undefined;
  readonly vendorId: number;
  readonly productId: number;
  readonly serialNumber?: string | undefined;
  readonly product?: string | undefined;
  readonly manufacturer?: string | undefined;
  readonly usagePage?: number | undefined;
  readonly usage?: number | undefined;
}

export interface HostMachine {
  /** Every HID device. @throws TransportError where they cannot be listed */
  hidDevices(): Promise<readonly RawHidDevice[]>;
  /** Every USB device. @throws Error where the library does not load, or may not look at the bus */
  usbDevices(): Promise<readonly RawUsbDevice[]>;
  /** Undefined where the system does not tell. */
  place(path: string): DevicePlace | undefined;
  /**
   * Calls `onChange` whenever a device may have come or gone, until the returned function is called.
   * @throws TransportError where nothing tells
   */
  watch(onChange: () => void): Promise<() => void>;
}

export const thisMachine: HostMachine = {
  hidDevices: listHid,
  usbDevices: async () => (await loadUsb()).getDevices(),
  place: devicePlace,
  async watch(onChange) {
    // A UHID device is on no bus that `usb` watches; it shows as a node in /dev.
    const nodes = process.platform === 'linux' ? watchNodes(onChange) : undefined;
    try {
      const usb = await loadUsb();
      for (const type of usbEvents) usb.addEventListener(type, onChange);
      return () => {
        nodes?.close();
        for (const type of usbEvents) usb.removeEventListener(type, onChange);
      };
    } catch (error) {
      // Every key has a node, so on Linux the nodes are enough.
      if (nodes === undefined) throw error;
      return () => nodes.close();
    }
  },
};

const usbEvents = ['connect', 'disconnect'] as const;

function watchNodes(onChange: () => void): FSWatcher {
  return watch('/dev', (event, name) => {
    // A `change` is each report that a program writes.
    if (event === 'rename' && name?.startsWith('hidraw')) onChange();
  });
}

async function loadNodeHid() {
  return (await import('node-hid')).default;
}

async function loadUsb() {
  return (await import('usb')).usb;
}

/** node-hid loads its native code when it is first used, so both are tried together. */
async function listHid(): Promise<readonly RawHidDevice[]> {
  try {
    return await (await loadNodeHid()).devicesAsync();
  } catch (cause) {
    throw new TransportError('no-device', `this machine's HID devices cannot be listed: ${(cause as Error).message}`, {
      hint: 'the package node-hid does that; `npm install node-hid` installs it, for Linux, macOS and Windows',
      cause,
    });
  }
}
