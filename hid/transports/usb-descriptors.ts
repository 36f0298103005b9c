// The descriptors of a FIDO key on a real USB bus: full speed, one configuration, one HID interface with an interrupt
// endpoint each way. The values are shared by everything that shows one: bytes here, files of configfs for a gadget.
// USB 2.0 §9.6, HID 1.11 §6.2.1; the endpoints as in CTAP 2.1 §11.2.8.1. Pure.

import { type DeviceIdentity, fidoReportDescriptor, reportSize } from '../transport.ts';

/** What a key says of itself beyond its identity. All of it in the units of the descriptors, if no other is named. */
export const fidoUsbDevice = {
  usbVersion: 0x0200,
  /** Of endpoint zero; the largest that full speed allows. */
  maxPacketSize0: 64,
  configurationValue: 1,
  /** Bus powered, no remote wakeup. */
  attributes: 0x80,
  maxPowerMilliamps: 100,
  hidVersion: 0x0111,
  endpointIn: 0x81,
  endpointOut: 0x01,
  intervalMs: 5,
  manufacturer: 'passfob',
  /** English (United States): the one that every host knows. */
  language: 0x0409,
} as const;

/** Descriptor types. USB 2.0 table 9-5, HID 1.11 §7.1. */
export const DescriptorType = {
  DEVICE: 0x01,
  CONFIGURATION: 0x02,
  STRING: 0x03,
  INTERFACE: 0x04,
  ENDPOINT: 0x05,
  HID: 0x21,
  REPORT: 0x22,
} as const;

const hidClass = 0x03;
const interruptTransfer = 0x03;

/** Indices of the strings. */
const StringIndex = { MANUFACTURER: 1, PRODUCT: 2, SERIAL_NUMBER: 3 } as const;

/** 18 bytes. USB 2.0 table 9-8. */
export function deviceDescriptor({ vendorId, productId, deviceVersion }: DeviceIdentity): Uint8Array {
  return descriptor(DescriptorType.DEVICE, [
    ...le16(fidoUsbDevice.usbVersion),
    ...[0, 0, 0], // class, subclass, protocol: the interface says it
    fidoUsbDevice.maxPacketSize0,
    ...le16(vendorId),
    ...le16(productId),
    ...le16(deviceVersion),
    StringIndex.MANUFACTURER,
    StringIndex.PRODUCT,
    StringIndex.SERIAL_NUMBER,
    1, // configurations
  ]);
}

/** 9 bytes. HID 1.11 §6.2.1. */
export const hidDescriptor: Uint8Array = descriptor(DescriptorType.HID, [
  ...le16(fidoUsbDevice.hidVersion),
  0, // no country
  1, // one further descriptor:
  DescriptorType.REPORT,
  ...le16(fidoReportDescriptor.length),
]);

/** The configuration with its interface, HID and endpoint descriptors: 41 bytes. USB 2.0 §9.6.3, HID 1.11 §7.1. */
export const configurationDescriptor: Uint8Array = configuration([
  ...descriptor(DescriptorType.INTERFACE, [0, 0, 2, hidClass, 0, 0, 0]),
  ...hidDescriptor,
  ...endpoint(fidoUsbDevice.endpointIn),
  ...endpoint(fidoUsbDevice.endpointOut),
]);

/** Hosts show a device as manufacturer and product: what stands in the one is not said again in the other. */
export function usbProductName({ productName }: DeviceIdentity): string {
  const repeated = `${fidoUsbDevice.manufacturer} `;
  return productName.startsWith(repeated) ? productName.slice(repeated.length) : productName;
}

/** The string of an index, or the list of languages for index 0; undefined if there is none. USB 2.0 §9.6.7. */
export function stringDescriptor(index: number, identity: DeviceIdentity): Uint8Array | undefined {
  switch (index) {
    case 0:
      return descriptor(DescriptorType.STRING, le16(fidoUsbDevice.language));
    case StringIndex.MANUFACTURER:
      return text(fidoUsbDevice.manufacturer);
    case StringIndex.PRODUCT:
      return text(usbProductName(identity));
    case StringIndex.SERIAL_NUMBER:
      return text(identity.serialNumber);
    default:
      return undefined;
  }
}

function configuration(content: readonly number[]): Uint8Array {
  const header = [
    1,
    fidoUsbDevice.configurationValue,
    0,
    fidoUsbDevice.attributes,
    fidoUsbDevice.maxPowerMilliamps / 2,
  ];
  const own = descriptor(DescriptorType.CONFIGURATION, [...le16(9 + content.length), ...header]);
  return Uint8Array.of(...own, ...content);
}

function endpoint(address: number): Uint8Array {
  const content = [address, interruptTransfer, ...le16(reportSize), fidoUsbDevice.intervalMs];
  return descriptor(DescriptorType.ENDPOINT, content);
}

function text(value: string): Uint8Array {
  return descriptor(
    DescriptorType.STRING,
    Array.from(value).flatMap((letter) => le16(letter.charCodeAt(0))),
  );
}

function descriptor(type: number, content: readonly number[]): Uint8Array {
  return Uint8Array.of(2 + content.length, type, ...content);
}

function le16(value: number): [number, number] {
  return [value & 0xff, value >> 8];
}
