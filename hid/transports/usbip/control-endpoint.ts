// Endpoint zero of the key: every standard and HID class request that a host asks, answered or stalled.
// USB 2.0 §9.4, HID 1.11 §7. Pure.

import { type DeviceIdentity, fidoReportDescriptor, reportSize } from '../../transport.ts';
import {
  configurationDescriptor,
  DescriptorType,
  deviceDescriptor,
  fidoUsbDevice,
  hidDescriptor,
  stringDescriptor,
} from '../usb-descriptors.ts';

/** bmRequestType: direction, type and recipient in one. USB 2.0 table 9-2. */
const Ask = { DEVICE: 0x80, INTERFACE: 0x81, ENDPOINT: 0x82, HID: 0xa1 } as const;
const Tell = { DEVICE: 0x00, INTERFACE: 0x01, ENDPOINT: 0x02, HID: 0x21, PORT: 0x23 } as const;

/** USB 2.0 table 9-4. */
const Request = {
  GET_STATUS: 0x00,
  CLEAR_FEATURE: 0x01,
  SET_FEATURE: 0x03,
  SET_ADDRESS: 0x05,
  GET_DESCRIPTOR: 0x06,
  GET_CONFIGURATION: 0x08,
  SET_CONFIGURATION: 0x09,
  GET_INTERFACE: 0x0a,
  SET_INTERFACE: 0x0b,
} as const;

/** HID 1.11 §7.2. GET_PROTOCOL and SET_PROTOCOL are for boot devices: they stall. */
const HidRequest = { GET_REPORT: 0x01, GET_IDLE: 0x02, SET_REPORT: 0x09, SET_IDLE: 0x0a } as const;
const ReportType = { INPUT: 0x01, OUTPUT: 0x02 } as const;

const endpointHalt = 0x00;
/** Feature of a hub's port; some hosts hand the reset of the port that the key is in through to the key. */
const portReset = 0x04;

const nothing = new Uint8Array(0);

export interface ControlEvents {
  /** Gets output reports that come as SET_REPORT: 64 bytes, owned by the receiver. */
  onReport(report: Uint8Array): void;
  /** Called after a reset of the port: whatever was between host and key is over. */
  onReset(): void;
}

export class ControlEndpoint {
  readonly #identity: DeviceIdentity;
  readonly #events: ControlEvents;
  #configuration: number = fidoUsbDevice.configurationValue;
  #idleRate = 0;
  readonly #halted = new Set<number>();

  constructor(identity: DeviceIdentity, events: ControlEvents) {
    this.#identity = identity;
    this.#events = events;
  }

  /** Whether transfers of an interrupt endpoint (with its direction bit) go through. */
  isReady(endpoint: number): boolean {
    return this.#configuration !== 0 && !this.#halted.has(endpoint);
  }

  /** Answers a setup packet of 8 bytes with the data for the host, empty if there is none; undefined is a stall. */
  answer(setup: Uint8Array, data: Uint8Array): Uint8Array | undefined {
    const view = new DataView(setup.buffer, setup.byteOffset, setup.byteLength);
    const [requestType, request] = [view.getUint8(0), view.getUint8(1)];
    const [value, index, length] = [view.getUint16(2, true), view.getUint16(4, true), view.getUint16(6, true)];
    return this.#answer(requestType, request, value, index, data)?.subarray(0, length);
  }

  #answer(
    requestType: number,
    request: number,
    value: number,
    index: number,
    data: Uint8Array,
  ): Uint8Array | undefined {
    switch (requestType) {
      case Ask.DEVICE:
        return this.#askDevice(request, value);
      case Ask.INTERFACE:
        return index === 0 ? this.#askInterface(request, value) : undefined;
      case Ask.ENDPOINT:
        return this.#askEndpoint(request, index);
      case Ask.HID:
        return index === 0 ? this.#askHid(request, value) : undefined;
      case Tell.DEVICE:
        return done(this.#tellDevice(request, value));
      case Tell.INTERFACE:
        return done(index === 0 && this.#tellInterface(request, value));
      case Tell.ENDPOINT:
        return done(this.#tellEndpoint(request, value, index));
      case Tell.HID:
        return done(index === 0 && this.#tellHid(request, value, data));
      case Tell.PORT:
        return done(request === Request.SET_FEATURE && value === portReset && this.#reset());
      default:
        return undefined;
    }
  }

  #askDevice(request: number, value: number): Uint8Array | undefined {
    switch (request) {
      case Request.GET_DESCRIPTOR:
        return this.#descriptor(value >> 8, value & 0xff);
      case Request.GET_STATUS:
        return Uint8Array.of(0, 0); // bus powered, and it never wakes the host
      case Request.GET_CONFIGURATION:
        return Uint8Array.of(this.#configuration);
      default:
        return undefined;
    }
  }

  /** A device qualifier would speak of high speed, a BOS descriptor of USB 2.1: both stall. USB 2.0 §9.6.2. */
  #descriptor(type: number, index: number): Uint8Array | undefined {
    switch (type) {
      case DescriptorType.DEVICE:
        return deviceDescriptor(this.#identity);
      case DescriptorType.CONFIGURATION:
        return index === 0 ? configurationDescriptor : undefined;
      case DescriptorType.STRING:
        return stringDescriptor(index, this.#identity);
      default:
        return undefined;
    }
  }

  #askInterface(request: number, value: number): Uint8Array | undefined {
    switch (request) {
      case Request.GET_DESCRIPTOR:
        if (value === DescriptorType.HID << 8) return hidDescriptor;
        return value === DescriptorType.REPORT << 8 ? fidoReportDescriptor : undefined;
      case Request.GET_STATUS:
        return Uint8Array.of(0, 0);
      case Request.GET_INTERFACE:
        return Uint8Array.of(0);
      default:
        return undefined;
    }
  }

  #askEndpoint(request: number, endpoint: number): Uint8Array | undefined {
    if (request !== Request.GET_STATUS || !isEndpoint(endpoint)) return undefined;
    return Uint8Array.of(this.#halted.has(endpoint) ? 1 : 0, 0);
  }

  #askHid(request: number, value: number): Uint8Array | undefined {
    switch (request) {
      case HidRequest.GET_IDLE:
        return Uint8Array.of(this.#idleRate);
      case HidRequest.GET_REPORT:
        // Every HID device must answer (HID 1.11 §7.2.1), but reports are messages here: there is no state to ask for.
        return value === ReportType.INPUT << 8 ? new Uint8Array(reportSize) : undefined;
      default:
        return undefined;
    }
  }

  #tellDevice(request: number, value: number): boolean {
    switch (request) {
      case Request.SET_ADDRESS:
        return true;
      case Request.SET_CONFIGURATION:
        if (value !== 0 && value !== fidoUsbDevice.configurationValue) return false;
        this.#configuration = value;
        this.#halted.clear();
        return true;
      default:
        return false; // there is no feature: neither remote wakeup nor a test mode
    }
  }

  #tellInterface(request: number, value: number): boolean {
    if (request !== Request.SET_INTERFACE || value !== 0) return false;
    this.#halted.clear();
    return true;
  }

  #tellEndpoint(request: number, feature: number, endpoint: number): boolean {
    if (feature !== endpointHalt || !isEndpoint(endpoint)) return false;
    switch (request) {
      case Request.SET_FEATURE:
        if (isInterrupt(endpoint)) this.#halted.add(endpoint);
        return true;
      case Request.CLEAR_FEATURE:
        this.#halted.delete(endpoint);
        return true;
      default:
        return false;
    }
  }

  #tellHid(request: number, value: number, data: Uint8Array): boolean {
    switch (request) {
      case HidRequest.SET_IDLE:
        this.#idleRate = value >> 8; // reports are sent when there is something to say, whatever the rate
        return true;
      case HidRequest.SET_REPORT:
        if (value !== ReportType.OUTPUT << 8 || data.length !== reportSize) return false;
        this.#events.onReport(Uint8Array.from(data));
        return true;
      default:
        return false;
    }
  }

  /** Hosts that hand the reset through expect what the kernel's own server does: it restores the configuration. */
  #reset(): true {
    this.#configuration = fidoUsbDevice.configurationValue;
    this.#idleRate = 0;
    this.#halted.clear();
    this.#events.onReset();
    return true;
  }
}

function done(isDone: boolean): Uint8Array | undefined {
  return isDone ? nothing : undefined;
}

function isInterrupt(endpoint: number): boolean {
  return endpoint === fidoUsbDevice.endpointIn || endpoint === fidoUsbDevice.endpointOut;
}

function isEndpoint(endpoint: number): boolean {
  return isInterrupt(endpoint) || endpoint === 0x00 || endpoint === 0x80;
}
