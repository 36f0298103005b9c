// What the USB descriptors of a key say, through the library `usb`: for keys on a real bus, among which are USB/IP and
// gadget keys. Reading them takes no permission on Linux, since the kernel keeps a copy.

import type { DevicePlace } from './device-place.ts';

/** What is used of a device of the library `usb`. */
export interface RawUsbDevice {
  readonly vendorId: number;
  readonly productId: number;
  readonly serialNumber?: string | null | undefined;
  /** Its number, on Linux `017`. */
  readonly bus: string;
  readonly address: number;
  readonly ports: readonly number[];
  readonly speed?: string | undefined;
  readonly usbVersionMajor: number;
  readonly usbVersionMinor: number;
  readonly usbVersionSubminor: number;
  readonly deviceVersionMajor: number;
  readonly deviceVersionMinor: number;
  readonly deviceVersionSubminor: number;
  readonly configurations: readonly { readonly interfaces: readonly RawInterface[] }[];
}

interface RawInterface {
  readonly interfaceNumber: number;
  readonly alternate: {
    readonly interfaceClass: number;
    readonly endpoints: readonly UsbEndpoint[];
  };
}

export interface UsbEndpoint {
  readonly endpointNumber: number;
  readonly direction: string;
  readonly type: string;
  /** Bytes. */
  readonly packetSize: number;
}

/** The fields of the descriptors that tell one key from another. USB 2.0 §9.6. */
export interface UsbDescriptors {
  readonly bus: string;
  readonly address: number;
  /** Those that lead from the root of the bus to the device. */
  readonly ports: readonly number[];
  /** `low`, `full`, `high`, `super` or `superPlus`. */
  readonly speed: string | undefined;
  /** bcdUSB and bcdDevice: `2.00`. */
  readonly usbVersion: string;
  readonly deviceVersion: string;
  /** Of the first configuration, those of class HID. */
  readonly hidInterfaces: readonly { readonly number: number; readonly endpoints: readonly UsbEndpoint[] }[];
}

/** USB HID 1.11 §4.1. */
const hidClass = 0x03;

/**
 * Which of the devices on this machine's buses the HID device is: the one at its place, where the system tells the
 * place, otherwise the only one with its ids and serial number.
 */
export function findUsbDevice(
  hid: { readonly vendorId: number; readonly productId: number; readonly serialNumber: string | undefined },
  place: DevicePlace | undefined,
  devices: readonly RawUsbDevice[],
): RawUsbDevice | undefined {
  if (place !== undefined) return devices.find((device) => usbPath(device) === place.usbPath);
  const [device, ...others] = devices.filter(
    ({ vendorId, productId, serialNumber }) =>
      vendorId === hid.vendorId && productId === hid.productId && (serialNumber || undefined) === hid.serialNumber,
  );
  return others.length === 0 ? device : undefined;
}

function usbPath({ bus, ports }: RawUsbDevice): string {
  return `${Number(bus)}-${ports.join('.')}`;
}

export function readDescriptors(device: RawUsbDevice): UsbDescriptors {
  const { bus, address, ports, speed } = device;
  const [configuration] = device.configurations;
  const hid = configuration?.interfaces.filter(({ alternate }) => alternate.interfaceClass === hidClass) ?? [];
  return {
    bus,
    address,
    ports: [...ports],
    speed,
    usbVersion: `${device.usbVersionMajor}.${device.usbVersionMinor}${device.usbVersionSubminor}`,
    deviceVersion: `${device.deviceVersionMajor}.${device.deviceVersionMinor}${device.deviceVersionSubminor}`,
    hidInterfaces: hid.map(({ interfaceNumber, alternate }) => ({
      number: interfaceNumber,
      endpoints: alternate.endpoints.map(({ endpointNumber, direction, type, packetSize }) => ({
        endpointNumber,
        direction,
        type,
        packetSize,
      })),
    })),
  };
}
