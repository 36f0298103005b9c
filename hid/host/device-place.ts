// Where a hidraw node hangs, as the kernel tells it in sysfs: on which bus, and as which device of it. Elsewhere than on
// Linux there is no sysfs, and nothing to tell.

import { readlinkSync } from 'node:fs';
import { basename } from 'node:path';

/** `usbip` is a USB device that the kernel has from another computer, or from a program: USB/IP's virtual controller. */
export type Bus = 'usb' | 'usbip' | 'uhid' | 'bluetooth' | 'other';

export interface DevicePlace {
  readonly bus: Bus;
  /** The kernel's name of the HID device, which no later one has: `0003:1209:0001.0004`. */
  readonly instance: string;
  /** The bus number and the ports that lead to the device, `3-1.2`; undefined if it is not on a USB bus. */
  readonly usbPath: string | undefined;
}

/** @param path `/dev/hidraw3` */
export function devicePlace(path: string): DevicePlace | undefined {
  try {
    return parsePlace(readlinkSync(`/sys/class/hidraw/${basename(path)}`));
  } catch {
    return undefined;
  }
}

/** @param link `../../devices/…/usb3/3-1/3-1:1.0/0003:1209:0001.0004/hidraw/hidraw3` */
export function parsePlace(link: string): DevicePlace | undefined {
  const [, above, instance] = /^(.*)\/([^/]+)\/hidraw\/hidraw\d+$/.exec(link) ?? [];
  if (above === undefined || instance === undefined) return undefined;
  const usbPath = /\/(\d+-[\d.]+):[\d.]+$/.exec(above)?.[1];
  return { bus: busOf(above, instance, usbPath), instance, usbPath };
}

/** An instance begins with the number of its bus; 5 is BUS_BLUETOOTH in linux/input.h. */
function busOf(above: string, instance: string, usbPath: string | undefined): Bus {
  // A UHID device chooses that number freely, so where it hangs is asked first.
  if (above.endsWith('/misc/uhid')) return instance.startsWith('0005:') ? 'bluetooth' : 'uhid';
  if (usbPath !== undefined) return above.includes('/vhci_hcd.') ? 'usbip' : 'usb';
  return instance.startsWith('0005:') ? 'bluetooth' : 'other';
}
