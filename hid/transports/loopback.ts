// A cable in memory: the device's end is a HidTransport, each host end is what hid/host/ calls a connection.
// For tests and for the program's talk with its own key.

import type { HidTransport } from '../transport.ts';
import { TransportError } from '../transport-error.ts';

type ReportListener = (report: Uint8Array) => void;

export class LoopbackTransport implements HidTransport {
  readonly name = 'loopback';
  readonly #hosts = new Set<LoopbackHost>();
  #onReport: ReportListener | undefined;
  #onAbandoned: (() => void) | undefined;

  /** Plugs in one more host. @throws TransportError `no-device` if the device's end is not open */
  connect(): LoopbackHost {
    if (this.#onReport === undefined) throw new TransportError('no-device', 'the loopback device is not open');
    const host = new LoopbackHost({
      // A microtask later, as on any real cable: nobody is called while still speaking.
      toDevice: (report) => queueMicrotask(() => this.#hosts.has(host) && this.#onReport?.(report)),
      leave: () => {
        if (this.#hosts.delete(host) && this.#hosts.size === 0) this.#onAbandoned?.();
      },
    });
    this.#hosts.add(host);
    return host;
  }

  async open(onReport: ReportListener, _onError?: (error: Error) => void, onAbandoned?: () => void): Promise<void> {
    this.#onReport = onReport;
    this.#onAbandoned = onAbandoned;
  }

  async send(report: Uint8Array): Promise<void> {
    for (const host of this.#hosts) {
      const copy = report.slice();
      queueMicrotask(() => host.receive(copy));
    }
  }

  async close(): Promise<void> {
    this.closeNow();
  }

  closeNow(): void {
    this.#onReport = undefined;
    this.#onAbandoned = undefined;
    for (const host of this.#hosts) host.unplug();
    this.#hosts.clear();
  }
}

/** A host's end of the loopback cable. */
export class LoopbackHost {
  readonly #cable: { toDevice: ReportListener; leave: () => void };
  readonly #reportListeners: ReportListener[] = [];
  readonly #closeListeners: (() => void)[] = [];
  #isOpen = true;

  constructor(cable: { toDevice: ReportListener; leave: () => void }) {
    this.#cable = cable;
  }

  send(report: Uint8Array): void {
    if (!this.#isOpen) throw new TransportError('io', 'the loopback cable is unplugged');
    this.#cable.toDevice(report.slice());
  }

  onReport(listener: ReportListener): void {
    this.#reportListeners.push(listener);
  }

  onClose(listener: () => void): void {
    this.#closeListeners.push(listener);
  }

  async close(): Promise<void> {
    this.#cable.leave();
    this.unplug();
  }

  /** The device's side: one report for this host. */
  receive(report: Uint8Array): void {
    if (!this.#isOpen) return;
    for (const listener of this.#reportListeners) listener(report);
  }

  /** The device's side: the cable is gone. */
  unplug(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const listener of this.#closeListeners) listener();
  }
}
