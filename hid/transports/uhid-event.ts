// `struct uhid_event` of linux/uhid.h: what goes through /dev/uhid, as bytes. An event is its type (u32) and a union;
// the kernel fills a shorter write up with zeros, so only the used part is written. Pure.
//
// The structure is in the machine's own byte order; every machine that Node.js is built for and that has a USB desktop
// is little-endian.

import { type DeviceIdentity, reportSize } from '../transport.ts';

/** Every event that is read has this size. */
export const uhidEventSize = 4380;

const EventType = {
  DESTROY: 0x01,
  START: 0x02,
  STOP: 0x03,
  OPEN: 0x04,
  CLOSE: 0x05,
  OUTPUT: 0x06,
  GET_REPORT: 0x09,
  GET_REPORT_REPLY: 0x0a,
  CREATE2: 0x0b,
  INPUT2: 0x0c,
  SET_REPORT: 0x0d,
  SET_REPORT_REPLY: 0x0e,
} as const;

/** Other buses are not taken for security keys by libfido2. */
const busUsb = 0x03;
const errorIo = 5;

/** What the kernel tells the device. Requests for single reports must be answered, or the asking program hangs. */
export type UhidEvent =
  | { readonly kind: 'start' | 'stop' | 'open' | 'close' | 'other' }
  /** A copy of the host's report, without the report number in front. */
  | { readonly kind: 'output'; readonly report: Uint8Array }
  | { readonly kind: 'get-report' | 'set-report'; readonly id: number };

/** Makes the device: name, serial number (`uniq`), ids and report descriptor. The START event follows. */
export function encodeCreate2(identity: DeviceIdentity, reportDescriptor: Uint8Array): Uint8Array {
  const { bytes, view } = event(EventType.CREATE2, 276 + reportDescriptor.length);
  writeAscii(bytes.subarray(4, 4 + 128), identity.productName);
  writeAscii(bytes.subarray(4 + 192, 4 + 256), identity.serialNumber);
  view.setUint16(4 + 256, reportDescriptor.length, true);
  view.setUint16(4 + 258, busUsb, true);
  view.setUint32(4 + 260, identity.vendorId, true);
  view.setUint32(4 + 264, identity.productId, true);
  view.setUint32(4 + 268, identity.deviceVersion, true);
  bytes.set(reportDescriptor, 4 + 276);
  return bytes;
}

/** Sends one report of 64 bytes to the hosts. */
export function encodeInput2(report: Uint8Array): Uint8Array {
  const { bytes, view } = event(EventType.INPUT2, 2 + report.length);
  view.setUint16(4, report.length, true);
  bytes.set(report, 6);
  return bytes;
}

/** Removes the device. */
export function encodeDestroy(): Uint8Array {
  return event(EventType.DESTROY, 0).bytes;
}

/** Refuses GET_REPORT or SET_REPORT with EIO: a security key has neither feature reports nor state to ask for. */
export function encodeRefusal(request: { kind: 'get-report' | 'set-report'; id: number }): Uint8Array {
  const type = request.kind === 'get-report' ? EventType.GET_REPORT_REPLY : EventType.SET_REPORT_REPLY;
  const { bytes, view } = event(type, request.kind === 'get-report' ? 8 : 6);
  view.setUint32(4, request.id, true);
  view.setUint16(8, errorIo, true);
  return bytes;
}

/** Reads an event of 4380 bytes; of the buffer nothing is kept. Reports of another size than ours are `other`. */
export function decodeUhidEvent(bytes: Uint8Array): UhidEvent {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (view.getUint32(0, true)) {
    case EventType.START:
      return { kind: 'start' };
    case EventType.STOP:
      return { kind: 'stop' };
    case EventType.OPEN:
      return { kind: 'open' };
    case EventType.CLOSE:
      return { kind: 'close' };
    case EventType.OUTPUT:
      return decodeOutput(bytes, view.getUint16(4 + 4096, true));
    case EventType.GET_REPORT:
      return { kind: 'get-report', id: view.getUint32(4, true) };
    case EventType.SET_REPORT:
      return { kind: 'set-report', id: view.getUint32(4, true) };
    default:
      return { kind: 'other' };
  }
}

/** hidraw puts the report number, 0, in front of what a program writes; not every writer goes through hidraw. */
function decodeOutput(bytes: Uint8Array, size: number): UhidEvent {
  const numberSize = size - reportSize;
  if (numberSize !== 0 && numberSize !== 1) return { kind: 'other' };
  return { kind: 'output', report: Uint8Array.from(bytes.subarray(4 + numberSize, 4 + size)) };
}

function event(type: number, size: number): { bytes: Uint8Array; view: DataView } {
  const bytes = new Uint8Array(4 + size);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, type, true);
  return { bytes, view };
}

/** Cuts what does not fit; the last byte stays zero. */
function writeAscii(field: Uint8Array, text: string): void {
  for (let i = 0; i < Math.min(text.length, field.length - 1); i++) field[i] = text.charCodeAt(i) & 0x7f;
}
