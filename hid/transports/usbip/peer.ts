// One connection to the USB/IP server: first questions (which devices are there, may I have this one), then, once the
// device is granted, its transfers. A peer that breaks the protocol, stops half-way or does not read is dropped.

import type { Socket } from 'node:net';
import type { DeviceIdentity } from '../../transport.ts';
import { Urbs } from './urbs.ts';
import {
  busId,
  encodeDeviceList,
  encodeImported,
  encodeImportRefusal,
  ImportStatus,
  type OperationRequest,
  RequestReader,
  UsbIpError,
} from './wire.ts';

/** A peer that lets this much pile up is not reading any more. */
const maxBacklogBytes = 1 << 20;
/** For a host whose machine went away without a word, while nothing is on its way there. */
const keepAliveMs = 10_000;

export interface PeerOptions {
  readonly identity: DeviceIdentity;
  /** How long a peer may take for a request and for asking the first one, and how long it is waited for after a report. */
  readonly patienceMs: number;
  /** Grants the device to this peer, or not. */
  claim(): boolean;
  onReport(report: Uint8Array): void;
  /** No program of the host that has the device reads from it any more. */
  onAbandoned(): void;
}

export class Peer {
  readonly #socket: Socket;
  readonly #options: PeerOptions;
  readonly #reader = new RequestReader();
  #urbs: Urbs | undefined;
  #isSilent = false;

  constructor(socket: Socket, options: PeerOptions) {
    this.#socket = socket;
    this.#options = options;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, keepAliveMs);
    socket.setTimeout(options.patienceMs, () => this.#losePatience());
    socket.on('data', (chunk: Uint8Array) => this.#receive(chunk));
    socket.on('error', () => socket.destroy());
  }

  /** Whether it got a report long ago and has not said a word since: its machine is gone, or its programs are. */
  get isSilent(): boolean {
    return this.#isSilent;
  }

  /** Sends a report, if the device is this peer's. */
  send(report: Uint8Array): void {
    this.#urbs?.send(report);
  }

  drop(): void {
    this.#socket.resetAndDestroy();
  }

  #losePatience(): void {
    if (this.#urbs === undefined || this.#reader.isHalfway) this.#socket.resetAndDestroy();
    else {
      // A host whose last program closed the device just after a report came is as silent, and alive.
      this.#isSilent = true;
      this.#urbs.abandon();
    }
  }

  #receive(chunk: Uint8Array): void {
    try {
      this.#reader.push(chunk);
      while (!this.#socket.destroyed && this.#handleNext()) {}
    } catch (error) {
      if (!(error instanceof UsbIpError)) throw error;
      this.#socket.destroy();
    }
    if (this.#reader.isHalfway) this.#socket.setTimeout(this.#options.patienceMs);
  }

  #handleNext(): boolean {
    if (this.#urbs !== undefined) {
      const command = this.#reader.nextCommand();
      if (command === undefined) return false;
      this.#socket.setTimeout(0);
      this.#isSilent = false;
      this.#urbs.perform(command);
      return true;
    }
    const request = this.#reader.nextOperation();
    if (request !== undefined) this.#answer(request);
    return request !== undefined;
  }

  #answer(request: OperationRequest): void {
    const { identity, claim, onReport, onAbandoned } = this.#options;
    if (request.kind === 'list') this.#write(encodeDeviceList(identity));
    else if (request.busId !== busId) this.#write(encodeImportRefusal(ImportStatus.NODEV));
    else if (!claim()) this.#write(encodeImportRefusal(ImportStatus.DEV_BUSY));
    else {
      this.#write(encodeImported(identity));
      this.#socket.setTimeout(0); // A host that has the device may be silent for days.
      this.#urbs = new Urbs(identity, {
        reply: (bytes) => this.#write(bytes),
        deliver: (bytes) => this.#deliver(bytes),
        onReport,
        onAbandoned,
      });
    }
  }

  /** Whoever reads on asks for the next one. */
  #deliver(bytes: Uint8Array): void {
    this.#write(bytes);
    if (!this.#urbs?.isWaiting) this.#socket.setTimeout(this.#options.patienceMs);
  }

  #write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
    if (this.#socket.writableLength > maxBacklogBytes) this.#socket.destroy();
  }
}
