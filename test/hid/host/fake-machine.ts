// A machine whose keys are plugged in and pulled out by a test.

import { parsePlace } from '../../../hid/host/device-place.ts';
import type { HostMachine, RawHidDevice } from '../../../hid/host/this-machine.ts';
import type { RawUsbDevice } from '../../../hid/host/usb-device.ts';

export class FakeMachine implements HostMachine {
  hid: (RawHidDevice | Error)[] = [];
  usb: (RawUsbDevice | Error)[] = [];
  /** Where nodes hang: what `/sys/class/hidraw/…` links to, by path. */
  readonly links = new Map<string, string>();
  /** Calls what watches; undefined while nobody does. */
  change: (() => void) | undefined;

  hidDevices = async () => all(this.hid);
  usbDevices = async () => all(this.usb);
  place = (path: string) => parsePlace(this.links.get(path) ?? '');

  async watch(onChange: () => void): Promise<() => void> {
    this.change = onChange;
    return () => {
      this.change = undefined;
    };
  }
}

function all<T>(list: readonly (T | Error)[]): T[] {
  return list.map((each) => {
    if (each instanceof Error) throw each;
    return each;
  });
}

/** A key as node-hid lists it. */
export const hidKey = {
  path: '/dev/hidraw0',
  vendorId: 0x1209,
  productId: 1,
  serialNumber: 'S-1',
  product: 'Key',
  manufacturer: 'Maker',
  usagePage: 0xf1d0,
  usage: 1,
} satisfies RawHidDevice;

/** The same key as the library `usb` lists it. */
export const usbKey: RawUsbDevice = {
  vendorId: 0x1209,
  productId: 1,
  serialNumber: 'S-1',
  bus: '003',
  address: 17,
  ports: [1, 2],
  speed: 'full',
  usbVersionMajor: 2,
  usbVersionMinor: 0,
  usbVersionSubminor: 0,
  deviceVersionMajor: 1,
  deviceVersionMinor: 2,
  deviceVersionSubminor: 3,
  configurations: [
    {
      interfaces: [
        { interfaceNumber: 0, alternate: { interfaceClass: 0x0b, endpoints: [] } },
        {
          interfaceNumber: 1,
          alternate: {
            interfaceClass: 0x03,
            endpoints: [{ endpointNumber: 1, direction: 'in', type: 'interrupt', packetSize: 64 }],
          },
        },
      ],
    },
  ],
};

export const usbLink = '../../devices/pci0/usb3/3-1/3-1.2/3-1.2:1.1/0003:1209:0001.0004/hidraw/hidraw0';
export const uhidLink = '../../devices/virtual/misc/uhid/0003:1209:0001.0005/hidraw/hidraw0';
