// The transfers (URBs) of one host that has imported the key: control transfers are answered at once, interrupt
// transfers to the host wait for a report, and can be taken back until then. Pure.

import { type DeviceIdentity, maxWaitingReports, reportSize } from '../../transport.ts';
import { fidoUsbDevice } from '../usb-descriptors.ts';
import { ControlEndpoint } from './control-endpoint.ts';
import { encodeSubmitReply, encodeUnlinkReply, type Submit, type Unlink, UrbStatus, UsbIpError } from './wire.ts';

/** Hosts keep one or two transfers waiting. */
const maxWaiting = 64;

const interruptEndpoint = fidoUsbDevice.endpointOut;

/** The host's side. */
export interface UrbHost {
  reply(bytes: Uint8Array): void;
  /** The same for a reply with a report in it. */
  deliver(bytes: Uint8Array): void;
  /** Gets reports of 64 bytes, and owns them. */
  onReport(report: Uint8Array): void;
  /** Called when the host does not read any more. */
  onAbandoned(): void;
}

export class Urbs {
  readonly #control: ControlEndpoint;
  readonly #host: UrbHost;
  /** Sequence numbers of transfers to the host that wait for a report, oldest first. */
  readonly #waiting = new Set<number>();
  /** Those that got one since the host last asked; it may not know yet. */
  readonly #delivered = new Set<number>();
  readonly #reports: Uint8Array[] = [];
  /** From a host's first transfer on until it takes the last one back: what is sent in between is kept for it. */
  #isRead = false;

  constructor(identity: DeviceIdentity, host: UrbHost) {
    this.#control = new ControlEndpoint(identity, {
      onReport: (report) => host.onReport(report),
      onReset: () => this.abandon(),
    });
    this.#host = host;
  }

  /** Whether a transfer waits for a report. */
  get isWaiting(): boolean {
    return this.#waiting.size > 0;
  }

  /** @throws UsbIpError if the host breaks the protocol */
  perform(command: Submit | Unlink): void {
    if (command.kind === 'unlink') this.#unlink(command);
    else if (command.endpoint === 0) this.#answerControl(command);
    else if (command.endpoint === interruptEndpoint) this.#answerInterrupt(command);
    else this.#stall(command);
  }

  /** Sends a report to the host, now or with its next transfer. As with any HID device, nobody reading means lost. */
  send(report: Uint8Array): void {
    const [sequence] = this.#waiting;
    if (sequence !== undefined) {
      this.#waiting.delete(sequence);
      this.#deliver(sequence, report);
    } else if (this.#isRead && this.#reports.length < maxWaitingReports) {
      this.#reports.push(report);
    }
  }

  #answerControl({ sequence, direction, length, setup, data }: Submit): void {
    const answer = this.#control.answer(setup, data);
    if (answer === undefined) this.#host.reply(encodeSubmitReply(sequence, UrbStatus.STALLED, 0));
    else if (direction === 'out') this.#host.reply(encodeSubmitReply(sequence, UrbStatus.OK, data.length));
    else {
      const fitting = answer.subarray(0, length);
      this.#host.reply(encodeSubmitReply(sequence, UrbStatus.OK, fitting.length, fitting));
    }
  }

  #answerInterrupt(command: Submit): void {
    const { endpointIn, endpointOut } = fidoUsbDevice;
    if (!this.#control.isReady(command.direction === 'in' ? endpointIn : endpointOut)) this.#stall(command);
    else if (command.direction === 'out') this.#receive(command);
    else if (command.length < reportSize) this.#host.reply(encodeSubmitReply(command.sequence, UrbStatus.OVERFLOW, 0));
    else this.#read(command.sequence);
  }

  /** Each packet of a transfer is a report; packets of another size are none of CTAPHID's. */
  #receive({ sequence, data }: Submit): void {
    this.#host.reply(encodeSubmitReply(sequence, UrbStatus.OK, data.length));
    for (let offset = 0; offset + reportSize <= data.length; offset += reportSize) {
      this.#host.onReport(Uint8Array.from(data.subarray(offset, offset + reportSize)));
    }
  }

  #read(sequence: number): void {
    this.#isRead = true;
    this.#delivered.clear();
    const report = this.#reports.shift();
    if (report !== undefined) this.#deliver(sequence, report);
    else if (this.#waiting.has(sequence) || this.#waiting.size === maxWaiting) {
      throw new UsbIpError(`expected at most ${maxWaiting} transfers with a number of their own`);
    } else this.#waiting.add(sequence);
  }

  /** A transfer that was answered already cannot be taken back, which the host learns from the status. */
  #unlink({ sequence, target }: Unlink): void {
    const isWaiting = this.#waiting.delete(target);
    this.#host.reply(encodeUnlinkReply(sequence, isWaiting ? UrbStatus.UNLINKED : UrbStatus.OK));
    // A host that closes the device may do so before it sees the report that it is sent, and then asks for no other.
    if ((isWaiting || this.#delivered.has(target)) && this.#waiting.size === 0) this.abandon();
  }

  /** What is under way is for nobody: whoever reads next must not find what was meant for others. */
  abandon(): void {
    this.#isRead = this.#waiting.size > 0;
    this.#reports.length = 0;
    this.#delivered.clear();
    this.#host.onAbandoned();
  }

  #deliver(sequence: number, report: Uint8Array): void {
    this.#delivered.add(sequence);
    this.#host.deliver(encodeSubmitReply(sequence, UrbStatus.OK, report.length, report));
  }

  #stall({ sequence }: Submit): void {
    this.#host.reply(encodeSubmitReply(sequence, UrbStatus.STALLED, 0));
  }
}
