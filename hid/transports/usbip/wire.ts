// USB/IP 1.1.1 as bytes, the server's side of it: requests are read, replies are written. All numbers are big-endian,
// except in the setup packet, which is USB's own. "USB/IP protocol" in the documentation of the Linux kernel. Pure.

import type { DeviceIdentity } from '../../transport.ts';
import { fidoUsbDevice } from '../usb-descriptors.ts';

const protocolVersion = 0x0111;

const Operation = {
  OP_REQ_DEVLIST: 0x8005,
  OP_REP_DEVLIST: 0x0005,
  OP_REQ_IMPORT: 0x8003,
  OP_REP_IMPORT: 0x0003,
} as const;

const Command = {
  USBIP_CMD_SUBMIT: 0x00000001,
  USBIP_CMD_UNLINK: 0x00000002,
  USBIP_RET_SUBMIT: 0x00000003,
  USBIP_RET_UNLINK: 0x00000004,
} as const;

/** Why a device cannot be imported, in the words of the usbip tools: busy, or not there. */
export const ImportStatus = { OK: 0, DEV_BUSY: 2, NODEV: 4 } as const;

/** How a URB ended: negative error numbers of Linux. */
export const UrbStatus = {
  OK: 0,
  /** EPIPE: the endpoint stalled. */
  STALLED: -32,
  /** EOVERFLOW: more came than the host has room for. */
  OVERFLOW: -75,
  /** ECONNRESET: taken back by the host. */
  UNLINKED: -104,
} as const;

/** What hosts name to import the key: the only device of the only bus. */
export const busId = '1-1';
const sysfsPath = '/sys/devices/passfob/usb1/1-1';
const busNumber = 1;
const deviceNumber = 1;
/** How commands name it. */
export const deviceId = (busNumber << 16) | deviceNumber;

/** USB full speed, 12 Mbit/s, as the protocol and the kernel's attach file number it. */
export const fullSpeed = 2;

const operationHeaderSize = 8;
const busIdSize = 32;
const deviceRecordSize = 312;
/** Of every command and every reply, without data. */
const urbHeaderSize = 48;

/** A successful reply to an import has this many bytes. */
export const importReplySize = operationHeaderSize + deviceRecordSize;

/** Room for any transfer to a security key; hosts send 64 bytes. */
const maxOutBytes = 4096;

/** What hosts write where there are no isochronous packets; older ones write 0. */
const noPackets = 0xffffffff;

/** The peer breaks the protocol. What follows in its stream cannot be understood. */
export class UsbIpError extends Error {
  override readonly name = 'UsbIpError';
}

export type OperationRequest = { readonly kind: 'list' } | { readonly kind: 'import'; readonly busId: string };

export interface Submit {
  readonly kind: 'submit';
  readonly sequence: number;
  /** Without the direction. */
  readonly endpoint: number;
  readonly direction: 'in' | 'out';
  /** Room for data to the host, or the size of `data`. */
  readonly length: number;
  /** 8 bytes; of meaning on endpoint zero only. */
  readonly setup: Uint8Array;
  readonly data: Uint8Array;
}

export interface Unlink {
  readonly kind: 'unlink';
  readonly sequence: number;
  /** The sequence number of the URB that is taken back. */
  readonly target: number;
}

/** Cuts a peer's stream into requests. Keeps no more than one incomplete request of bounded size. */
export class RequestReader {
  #bytes: Uint8Array = new Uint8Array(0);

  /** Whether a request has begun that is not complete. */
  get isHalfway(): boolean {
    return this.#bytes.length > 0;
  }

  push(chunk: Uint8Array): void {
    this.#bytes = this.isHalfway ? Buffer.concat([this.#bytes, chunk]) : chunk;
  }

  /** The next request before an import. @throws UsbIpError */
  nextOperation(): OperationRequest | undefined {
    const header = this.#peek(operationHeaderSize);
    if (header === undefined) return undefined;
    const [version, code] = [header.getUint16(0), header.getUint16(2)];
    if (version !== protocolVersion) throw new UsbIpError(`expected USB/IP version 0x0111, got ${hex(version, 4)}`);
    switch (code) {
      case Operation.OP_REQ_DEVLIST:
        this.#take(operationHeaderSize);
        return { kind: 'list' };
      case Operation.OP_REQ_IMPORT: {
        const bytes = this.#take(operationHeaderSize + busIdSize);
        return bytes && { kind: 'import', busId: readText(bytes.subarray(operationHeaderSize)) };
      }
      default:
        throw new UsbIpError(`expected a device list or an import, got the operation ${hex(code, 4)}`);
    }
  }

  /** The next command after an import. @throws UsbIpError */
  nextCommand(): Submit | Unlink | undefined {
    const header = this.#peek(urbHeaderSize);
    if (header === undefined) return undefined;
    const [command, sequence] = [header.getUint32(0x00), header.getUint32(0x04)];
    switch (command) {
      case Command.USBIP_CMD_SUBMIT:
        return this.#takeSubmit(header, sequence);
      case Command.USBIP_CMD_UNLINK:
        this.#take(urbHeaderSize);
        return { kind: 'unlink', sequence, target: header.getUint32(0x14) };
      default:
        throw new UsbIpError(`expected a submit or an unlink, got the command ${hex(command, 8)}`);
    }
  }

  #takeSubmit(header: DataView, sequence: number): Submit | undefined {
    const direction = header.getUint32(0x0c) === 0 ? 'out' : 'in';
    const length = header.getUint32(0x18);
    const packets = header.getUint32(0x20);
    if (packets !== 0 && packets !== noPackets) {
      throw new UsbIpError(`expected no isochronous packets, got ${packets}`);
    }
    if (direction === 'out' && length > maxOutBytes) {
      throw new UsbIpError(`expected at most ${maxOutBytes} bytes in a transfer, got ${length}`);
    }
    const bytes = this.#take(urbHeaderSize + (direction === 'out' ? length : 0));
    return (
      bytes && {
        kind: 'submit',
        sequence,
        endpoint: header.getUint32(0x10),
        direction,
        length,
        setup: bytes.subarray(0x28, urbHeaderSize),
        data: bytes.subarray(urbHeaderSize),
      }
    );
  }

  #peek(size: number): DataView | undefined {
    const { buffer, byteOffset, length } = this.#bytes;
    return length < size ? undefined : new DataView(buffer, byteOffset, size);
  }

  #take(size: number): Uint8Array | undefined {
    if (this.#bytes.length < size) return undefined;
    const taken = this.#bytes.subarray(0, size);
    this.#bytes = this.#bytes.subarray(size);
    return taken;
  }
}

/** OP_REP_DEVLIST: one device with one HID interface. */
export function encodeDeviceList(identity: DeviceIdentity): Uint8Array {
  const oneDevice = Buffer.alloc(4);
  oneDevice.writeUInt32BE(1);
  const hidInterface = Buffer.of(0x03, 0x00, 0x00, 0x00); // class, subclass, protocol, padding
  return Buffer.concat([
    operationHeader(Operation.OP_REP_DEVLIST, ImportStatus.OK),
    oneDevice,
    deviceRecord(identity),
    hidInterface,
  ]);
}

/** OP_REP_IMPORT of an import that is granted. */
export function encodeImported(identity: DeviceIdentity): Uint8Array {
  return Buffer.concat([operationHeader(Operation.OP_REP_IMPORT, ImportStatus.OK), deviceRecord(identity)]);
}

/** OP_REP_IMPORT of an import that is refused. */
export function encodeImportRefusal(status: number): Uint8Array {
  return operationHeader(Operation.OP_REP_IMPORT, status);
}

/** USBIP_RET_SUBMIT. `actualLength` is the size of `data` for what goes to the host, else of what the host sent. */
export function encodeSubmitReply(
  sequence: number,
  status: number,
  actualLength: number,
  data: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const reply = Buffer.alloc(urbHeaderSize + data.length);
  reply.writeUInt32BE(Command.USBIP_RET_SUBMIT, 0x00);
  reply.writeUInt32BE(sequence, 0x04);
  reply.writeInt32BE(status, 0x14);
  reply.writeUInt32BE(actualLength, 0x18);
  reply.writeUInt32BE(noPackets, 0x20);
  reply.set(data, urbHeaderSize);
  return reply;
}

/** USBIP_RET_UNLINK. */
export function encodeUnlinkReply(sequence: number, status: number): Uint8Array {
  const reply = Buffer.alloc(urbHeaderSize);
  reply.writeUInt32BE(Command.USBIP_RET_UNLINK, 0x00);
  reply.writeUInt32BE(sequence, 0x04);
  reply.writeInt32BE(status, 0x14);
  return reply;
}

/** OP_REQ_IMPORT: what a host asks before it takes the key over. */
export function encodeImportRequest(): Uint8Array {
  const id = Buffer.alloc(busIdSize);
  id.write(busId, 'latin1');
  return Buffer.concat([operationHeader(Operation.OP_REQ_IMPORT, 0), id]);
}

/** The status in an OP_REP_IMPORT of at least 8 bytes. */
export function decodeImportStatus(reply: Uint8Array): number {
  return new DataView(reply.buffer, reply.byteOffset).getUint32(4);
}

function operationHeader(code: number, status: number): Buffer {
  const header = Buffer.alloc(operationHeaderSize);
  header.writeUInt16BE(protocolVersion, 0);
  header.writeUInt16BE(code, 2);
  header.writeUInt32BE(status, 4);
  return header;
}

function deviceRecord({ vendorId, productId, deviceVersion }: DeviceIdentity): Buffer {
  const record = Buffer.alloc(deviceRecordSize);
  record.write(sysfsPath, 0, 'latin1');
  record.write(busId, 256, 'latin1');
  record.writeUInt32BE(busNumber, 288);
  record.writeUInt32BE(deviceNumber, 292);
  record.writeUInt32BE(fullSpeed, 296);
  record.writeUInt16BE(vendorId, 300);
  record.writeUInt16BE(productId, 302);
  record.writeUInt16BE(deviceVersion, 304);
  record[309] = fidoUsbDevice.configurationValue;
  record[310] = 1; // configurations
  record[311] = 1; // interfaces
  return record;
}

function readText(bytes: Uint8Array): string {
  const end = bytes.indexOf(0);
  return Buffer.from(end < 0 ? bytes : bytes.subarray(0, end)).toString('latin1');
}

function hex(value: number, digits: number): string {
  return `0x${value.toString(16).padStart(digits, '0')}`;
}
