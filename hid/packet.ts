// 64-byte reports and the messages that are cut into them: initialization and continuation packets.
// CTAP 2.1 §11.2.4. What a message means is not known here.

import { reportSize } from './transport.ts';
import { continuationDataSize, initDataSize, maxMessageSize } from './wire.ts';

const initBit = 0x80;
const initHeaderSize = reportSize - initDataSize;
const continuationHeaderSize = reportSize - continuationDataSize;

/** The first packet of a message. `length` is that of the whole message, 0 to 65535 as the host claims it. */
export interface InitPacket {
  readonly kind: 'init';
  readonly channel: number;
  readonly command: number;
  readonly length: number;
  /** 57 bytes, a view of the report; those beyond `length` mean nothing. */
  readonly data: Uint8Array;
}

export interface ContinuationPacket {
  readonly kind: 'continuation';
  readonly channel: number;
  /** 0 to 127. */
  readonly sequence: number;
  /** 59 bytes, a view of the report. */
  readonly data: Uint8Array;
}

export type Packet = InitPacket | ContinuationPacket;

/** Reads a report of 64 bytes; every such report is a packet. The packet's data is a view of the report. */
export function decodePacket(report: Uint8Array): Packet {
  const view = new DataView(report.buffer, report.byteOffset, reportSize);
  const channel = view.getUint32(0);
  const third = view.getUint8(4);
  return (third & initBit) === 0
    ? { kind: 'continuation', channel, sequence: third, data: report.subarray(continuationHeaderSize, reportSize) }
    : {
        kind: 'init',
        channel,
        command: third & ~initBit,
        length: view.getUint16(5),
        data: report.subarray(initHeaderSize, reportSize),
      };
}

/**
 * Cuts a message into reports of 64 bytes, in the order in which they are sent; unused bytes are zero.
 *
 * @throws RangeError if the payload is longer than 7609 bytes
 */
export function splitMessage(channel: number, command: number, payload: Uint8Array): Uint8Array[] {
  if (payload.length > maxMessageSize) {
    throw new RangeError(`expected a message of at most ${maxMessageSize} bytes, got ${payload.length}`);
  }
  const first = new Uint8Array(reportSize);
  const view = new DataView(first.buffer);
  view.setUint32(0, channel);
  view.setUint8(4, command | initBit);
  view.setUint16(5, payload.length);
  first.set(payload.subarray(0, initDataSize), initHeaderSize);

  const reports = [first];
  for (let offset = initDataSize; offset < payload.length; offset += continuationDataSize) {
    const next = new Uint8Array(reportSize);
    next.set(first.subarray(0, 4));
    next[4] = reports.length - 1;
    next.set(payload.subarray(offset, offset + continuationDataSize), continuationHeaderSize);
    reports.push(next);
  }
  return reports;
}

/** A message on its way in: starts with an initialization packet, grows by continuation packets. */
export class Assembly {
  readonly channel: number;
  readonly command: number;
  /** The message; whole once `isComplete`. Of a one-packet message it is a view of that packet's report. */
  readonly payload: Uint8Array;
  #received: number;
  #nextSequence = 0;

  /** `first.length` must have been checked: at most 7609. */
  constructor(first: InitPacket) {
    this.channel = first.channel;
    this.command = first.command;
    if (first.length <= initDataSize) {
      this.payload = first.data.subarray(0, first.length);
    } else {
      this.payload = new Uint8Array(first.length);
      this.payload.set(first.data);
    }
    this.#received = Math.min(first.length, initDataSize);
  }

  get isComplete(): boolean {
    return this.#received === this.payload.length;
  }

  /** Takes the next packet of the same channel. False if its sequence number is not the expected one. */
  append(next: ContinuationPacket): boolean {
    if (next.sequence !== this.#nextSequence) return false;
    const data = next.data.subarray(0, this.payload.length - this.#received);
    this.payload.set(data, this.#received);
    this.#received += data.length;
    this.#nextSequence++;
    return true;
  }
}
