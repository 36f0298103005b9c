// The key as a HID device of the Linux kernel: /dev/uhid. Browsers see it as they see a USB key.
//
// A blocked read of /dev/uhid holds a thread of Node's pool, and keeps the process from ending, even through
// `process.exit`. Removing the device (UHID_DESTROY) makes the kernel send a last event, which wakes the read; therefore
// every way out, `closeNow` in an exit handler too, leads through that.

import * as nodeFs from 'node:fs';
import { type DeviceIdentity, fidoReportDescriptor, type HidTransport } from '../transport.ts';
import { TransportError } from '../transport-error.ts';
import { Pacer } from './pacer.ts';
import {
  decodeUhidEvent,
  encodeCreate2,
  encodeDestroy,
  encodeInput2,
  encodeRefusal,
  type UhidEvent,
  uhidEventSize,
} from './uhid-event.ts';

const devicePath = '/dev/uhid';

/** The part of node:fs that is used; tests put a kernel of their own here. */
export type UhidFiles = Pick<typeof nodeFs, 'openSync' | 'writeSync' | 'closeSync'> & {
  read(fd: number, buffer: Uint8Array, done: (error: Error | null, size: number) => void): void;
};

interface Session {
  readonly fd: number;
  readonly pacer: Pacer;
  readonly onReport: (report: Uint8Array) => void;
  readonly onError: (error: Error) => void;
  readonly onAbandoned: (() => void) | undefined;
  readonly onStart: () => void;
  /** Resolves once the file is closed; nothing is read any more. */
  readonly ended: Promise<void>;
  readonly onEnd: () => void;
  hasStarted: boolean;
  isClosing: boolean;
}

export class UhidTransport implements HidTransport {
  readonly name = 'uhid';
  readonly #identity: DeviceIdentity;
  readonly #files: UhidFiles;
  #session: Session | undefined;

  constructor(identity: DeviceIdentity, files: UhidFiles = nodeFs) {
    this.#identity = identity;
    this.#files = files;
  }

  /** @throws TransportError `no-device`, `no-permission` or `io`, with a hint how to mend it */
  async open(
    onReport: (report: Uint8Array) => void,
    onError: (error: Error) => void,
    onAbandoned?: () => void,
  ): Promise<void> {
    const fd = this.#openDevice();
    await new Promise<void>((resolve, reject) => {
      const { promise: ended, resolve: onEnd } = promiseWithResolver();
      const session: Session = {
        fd,
        pacer: new Pacer((event) => this.#tryWrite(fd, event)),
        onReport,
        onError,
        onAbandoned,
        onStart: resolve,
        ended,
        onEnd,
        hasStarted: false,
        isClosing: false,
      };
      // A device that ends before it has started never opened; afterwards the rejection has no effect.
      void ended.then(() => reject(new TransportError('io', `${devicePath} ended before the device had started`)));
      this.#session = session;
      this.#read(session, new Uint8Array(uhidEventSize));
    });
  }

  async send(report: Uint8Array): Promise<void> {
    this.#session?.pacer.send(encodeInput2(report));
  }

  async close(): Promise<void> {
    const ended = this.#session?.ended;
    this.closeNow();
    await ended;
  }

  closeNow(): void {
    const session = this.#session;
    this.#session = undefined;
    if (session === undefined) return;
    session.isClosing = true;
    session.pacer.stop();
    this.#tryWrite(session.fd, encodeDestroy());
  }

  #openDevice(): number {
    let fd: number | undefined;
    try {
      fd = this.#files.openSync(devicePath, 'r+');
      this.#files.writeSync(fd, encodeCreate2(this.#identity, fidoReportDescriptor));
      return fd;
    } catch (error) {
      if (fd !== undefined) this.#files.closeSync(fd);
      throw openError(error);
    }
  }

  #read(session: Session, buffer: Uint8Array): void {
    this.#files.read(session.fd, buffer, (error, size) => {
      if (error !== null || size === 0) {
        this.#end(session);
        if (session.hasStarted && !session.isClosing) {
          session.onError(new TransportError('io', `cannot read ${devicePath}: ${error?.message ?? 'end of file'}`));
        }
      } else if (session.isClosing) {
        this.#end(session);
      } else {
        this.#handle(session, decodeUhidEvent(buffer));
        // `onReport` may have closed the device; its last event is then still to be read.
        this.#read(session, buffer);
      }
    });
  }

  #handle(session: Session, event: UhidEvent): void {
    switch (event.kind) {
      case 'start':
        session.hasStarted = true;
        session.onStart();
        break;
      case 'output':
        session.onReport(event.report);
        break;
      case 'close':
        session.onAbandoned?.();
        break;
      case 'get-report':
      case 'set-report':
        this.#tryWrite(session.fd, encodeRefusal(event));
        break;
    }
  }

  /** Where writing fails the device is gone, and the pending read says so. */
  #tryWrite(fd: number, event: Uint8Array): void {
    try {
      this.#files.writeSync(fd, event);
    } catch {}
  }

  #end(session: Session): void {
    if (this.#session === session) this.#session = undefined;
    session.pacer.stop();
    this.#files.closeSync(session.fd);
    session.onEnd();
  }
}

function openError(cause: unknown): TransportError {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  switch (code) {
    case 'ENOENT':
    case 'ENODEV':
    case 'ENXIO':
      return new TransportError('no-device', `cannot open ${devicePath}: no such device`, {
        hint:
          'load the kernel module: sudo modprobe uhid\n' +
          'and at every start: echo uhid | sudo tee /etc/modules-load.d/uhid.conf',
        cause,
      });
    case 'EACCES':
    case 'EPERM':
      return new TransportError('no-permission', `cannot open ${devicePath}: permission denied`, {
        hint:
          'give the person at the screen access with a udev rule:\n' +
          `echo 'KERNEL=="uhid", SUBSYSTEM=="misc", OPTIONS+="static_node=uhid", TAG+="uaccess"' | ` +
          'sudo tee /etc/udev/rules.d/70-uhid.rules\n' +
          'sudo udevadm control --reload && sudo udevadm trigger /dev/uhid',
        cause,
      });
    default:
      return new TransportError('io', `cannot open ${devicePath}: ${cause instanceof Error ? cause.message : cause}`, {
        cause,
      });
  }
}

function promiseWithResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve = (): void => undefined;
  const promise = new Promise<void>((fulfil) => {
    resolve = fulfil;
  });
  return { promise, resolve };
}
