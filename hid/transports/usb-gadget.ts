// The key as a USB device of this machine's own: a gadget on a USB device controller, such as a Raspberry Pi Zero's.
//
// One host is at the other end, and comes and goes without a word to /dev/hidgN: an older kernel keeps silent about it,
// a newer one fails what is under way. What tells it is the state of the controller, which the kernel announces through
// inotify; and that a host has left, a report that nobody collects.

import { type FSWatcher, watch } from 'node:fs';
import type { Duplex } from 'node:stream';
import { type DeviceIdentity, type HidTransport, maxWaitingReports, reportSize } from '../transport.ts';
import { TransportError } from '../transport-error.ts';
import { formatTransport, type GadgetAddress } from './address.ts';
import { openDeviceStream } from './device-stream.ts';
import { errorCode } from './unix-socket.ts';
import { failure, UsbGadgetTree } from './usb-gadget-tree.ts';

/** A host that uses the key collects a report every few milliseconds. */
export const hostPatienceMs = 1000;

/** What the transport needs of the system; tests put one of their own here. */
export interface GadgetSystem {
  tree(name: string, identity: DeviceIdentity): UsbGadgetTree;
  openStream(path: string): Duplex;
  /** Calls `onChange` whenever the kernel announces that the file has changed. */
  watch(path: string, onChange: () => void): Pick<FSWatcher, 'close'>;
}

const thisSystem: GadgetSystem = {
  tree: (name, identity) => new UsbGadgetTree(name, identity),
  openStream: openDeviceStream,
  watch: (path, onChange) => watch(path, onChange).on('error', onChange),
};

interface Session {
  readonly controller: string;
  readonly onReport: (report: Uint8Array) => void;
  readonly onError: (error: Error) => void;
  readonly onAbandoned: () => void;
}

export class UsbGadgetTransport implements HidTransport {
  readonly name: string;
  readonly #address: GadgetAddress;
  readonly #tree: UsbGadgetTree;
  readonly #system: GadgetSystem;
  #session: Session | undefined;
  #watcher: Pick<FSWatcher, 'close'> | undefined;
  #stream: Duplex | undefined;
  /** Sent, and not yet taken by the kernel. The first one is being written. */
  readonly #queue: Uint8Array[] = [];
  #patience: ReturnType<typeof setTimeout> | undefined;

  constructor(address: GadgetAddress, identity: DeviceIdentity, system: GadgetSystem = thisSystem) {
    this.name = formatTransport(address);
    this.#address = address;
    this.#tree = system.tree(`passfob-${identity.serialNumber}`, identity);
    this.#system = system;
  }

  /** @throws TransportError `no-device`, `no-permission`, `in-use` or `io`, with a hint how to mend it */
  async open(
    onReport: (report: Uint8Array) => void,
    onError: (error: Error) => void,
    onAbandoned: () => void = () => undefined,
  ): Promise<void> {
    this.#tree.remove(); // what a process that was killed has left
    const controller = this.#tree.chooseController(this.#address.controller);
    this.#tree.create();
    try {
      this.#session = { controller, onReport, onError, onAbandoned };
      this.#watcher = this.#system.watch(this.#tree.stateFile(controller), () => this.#followHost());
      this.#tree.bind(controller);
      this.#openStream();
    } catch (cause) {
      this.closeNow();
      throw cause instanceof TransportError ? cause : failure('use the gadget', cause);
    }
  }

  async send(report: Uint8Array): Promise<void> {
    if (this.#stream === undefined || this.#queue.length === maxWaitingReports) return;
    this.#queue.push(report.slice());
    if (this.#queue.length > 1) return;
    this.#watchHost();
    this.#write();
  }

  async close(): Promise<void> {
    this.closeNow();
  }

  closeNow(): void {
    if (this.#session === undefined) return;
    this.#session = undefined;
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#closeStream();
    this.#tree.remove();
  }

  /** A host has come, gone, or begun anew: whatever was between it and the key before is over. */
  #followHost(): void {
    const session = this.#session;
    if (session === undefined) return;
    this.#closeStream();
    session.onAbandoned();
    try {
      if (this.#tree.state(session.controller) === 'configured') this.#openStream();
    } catch (cause) {
      // Somebody has unplugged the gadget by hand. When it is plugged in again, the state changes.
      if (this.#tree.hasController(session.controller) && isAway(cause)) return;
      this.closeNow();
      session.onError(failure(`use ${session.controller} any longer`, cause));
    }
  }

  #openStream(): void {
    const stream = this.#system.openStream(this.#tree.deviceFile());
    this.#stream = stream;
    stream.on('data', (chunk: Uint8Array) => {
      // HID knows shorter reports, CTAPHID does not.
      if (chunk.length === reportSize) this.#session?.onReport(Uint8Array.from(chunk));
    });
    // An empty packet reads like the end of a file, and is not.
    stream.on('end', () => this.#followHost());
    stream.on('error', () => {
      if (this.#stream !== stream) return;
      this.#closeStream();
      this.#session?.onAbandoned();
    });
  }

  #closeStream(): void {
    this.#stream?.destroy();
    this.#stream = undefined;
    this.#queue.length = 0;
    this.#watchHost();
  }

  #write(): void {
    const [report] = this.#queue;
    const stream = this.#stream;
    if (report === undefined || stream === undefined) return;
    stream.write(report, (error) => {
      if (error || this.#stream !== stream) return;
      this.#queue.shift();
      this.#watchHost();
      this.#write();
    });
  }

  /** Gives the host its time for the report that waits, if one does. */
  #watchHost(): void {
    clearTimeout(this.#patience);
    const [waiting] = this.#queue;
    if (waiting === undefined) return;
    this.#patience = setTimeout(() => {
      // Once more after all that the kernel has to tell: if this process was held up, the host is not to blame.
      setImmediate(() => {
        if (this.#queue[0] === waiting) this.#followHost();
      });
    }, hostPatienceMs);
  }
}

function isAway(error: unknown): boolean {
  return ['ENOENT', 'ENXIO', 'ENODEV'].includes(errorCode(error) ?? '');
}
