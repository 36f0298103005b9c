// Which security keys are on this machine: everything with FIDO's usage page, through node-hid. The library `usb` adds
// what only it knows of keys on a real bus.

import { TransportError } from '../transport-error.ts';
import type { Bus } from './device-place.ts';
import { type HostMachine, type RawHidDevice, thisMachine } from './this-machine.ts';
import { findUsbDevice, readDescriptors, type UsbDescriptors } from './usb-device.ts';

/** FIDO alliance; together with usage 1 it is what makes a HID device a security key. CTAP 2.1 §11.2.8.2. */
const fidoUsagePage = 0xf1d0;
const authenticatorUsage = 0x01;

export interface FidoDevice {
  /** What `openDevice` takes; `/dev/hidraw3` on Linux. */
  readonly path: string;
  /** Tells this device from one that gets its path later. */
  readonly instance: string;
  readonly vendorId: number;
  readonly productId: number;
  readonly serialNumber: string | undefined;
  readonly product: string | undefined;
  readonly manufacturer: string | undefined;
  /** Undefined where the system does not tell. */
  readonly bus: Bus | undefined;
  /** Only of devices on a USB bus; a UHID device has none. */
  readonly usb: UsbDescriptors | undefined;
  /** Why a device that is on a USB bus has no descriptors here. */
  readonly usbProblem: string | undefined;
}

/** Lists the security keys that this machine sees, whether or not they may be opened. @throws TransportError */
export async function findDevices(machine: HostMachine = thisMachine): Promise<FidoDevice[]> {
  const keys = (await machine.hidDevices()).filter(isKey).map((hid) => ({ hid, place: machine.place(hid.path) }));
  const mayBeUsb = keys.some(({ place }) => place === undefined || place.usbPath !== undefined);
  let problem: string | undefined;
  const usbDevices = mayBeUsb
    ? await machine.usbDevices().catch((error: Error) => {
        problem = error.message;
        return [];
      })
    : [];
  return keys.map(({ hid, place }) => {
    const { path, vendorId, productId, product, manufacturer } = hid;
    const serialNumber = hid.serialNumber || undefined;
    const device = findUsbDevice({ vendorId, productId, serialNumber }, place, usbDevices);
    return {
      path,
      instance: place?.instance ?? path,
      vendorId,
      productId,
      serialNumber,
      product,
      manufacturer,
      bus: place?.bus ?? (device && 'usb'),
      usb: device && readDescriptors(device),
      usbProblem: place?.usbPath === undefined ? undefined : problem,
    };
  });
}

function isKey(device: RawHidDevice): device is RawHidDevice & { readonly path: string } {
  return device.path !== undefined && device.usagePage === fidoUsagePage && device.usage === authenticatorUsage;
}

/**
 * The path of the device that a person names by its path or its serial number.
 * @throws TransportError `no-device` if no key, or more than one, has the serial number
 */
export async function resolveDevice(pathOrSerial: string, machine: HostMachine = thisMachine): Promise<string> {
  // A path of Linux needs no list, which a machine without udev cannot give.
  if (pathOrSerial.startsWith('/')) return pathOrSerial;
  const devices = await findDevices(machine);
  const fitting = devices.filter(({ path, serialNumber }) => [path, serialNumber].includes(pathOrSerial));
  const [device, ...others] = fitting;
  if (device === undefined) {
    throw new TransportError('no-device', `no security key has the path or serial number ${pathOrSerial}`, {
      hint: '`passfob keys --all` lists those on this machine',
    });
  }
  if (others.length > 0) {
    throw new TransportError('no-device', `${fitting.length} security keys have the serial number ${pathOrSerial}`, {
      hint: `name one by its path: ${fitting.map(({ path }) => path).join(', ')}`,
    });
  }
  return device.path;
}
