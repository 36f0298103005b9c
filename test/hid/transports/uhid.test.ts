// The UHID transport on a kernel made of a queue, and on the real one where /dev/uhid opens.

import { closeSync, openSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { findDevices } from '../../../hid/host/find-device.ts';
import type { HostConnection } from '../../../hid/host/host-connection.ts';
import { openDevice } from '../../../hid/host/open-device.ts';
import { type UhidFiles, UhidTransport } from '../../../hid/transports/uhid.ts';
import { uhidEventSize } from '../../../hid/transports/uhid-event.ts';
import { describeTransport, inbox, report } from './contract.ts';

const identity = {
  productName: 'passfob test',
  vendorId: 0x1209,
  productId: 0x0001,
  deviceVersion: 0x0100,
  serialNumber: `TEST-${process.pid}`,
};
const neverFails = (error: Error) => expect.fail(error.message);

/** What the kernel does behind /dev/uhid, as far as one device goes. */
class QueueKernel implements UhidFiles {
  startsByItself = true;
  openError: NodeJS.ErrnoException | undefined;
  readonly written = inbox<string>();
  isOpen = false;
  readonly #hosts = new Map<object, { receive: (report: Uint8Array) => void; unplug: () => void }>();
  readonly #events: Uint8Array[] = [];
  #reader: ((event: Uint8Array | Error) => void) | undefined;

  openSync = (): number => {
    if (this.openError) throw this.openError;
    this.isOpen = true;
    return 7;
  };

  closeSync = (): void => {
    expect(this.#reader).toBeUndefined();
    this.isOpen = false;
    this.#events.splice(0);
  };

  read(_fd: number, buffer: Uint8Array, done: (error: Error | null, size: number) => void): void {
    expect(this.isOpen).toBe(true);
    this.#reader = (event) => {
      this.#reader = undefined;
      if (event instanceof Error) return done(event, 0);
      buffer.set(event);
      return done(null, event.length);
    };
    this.#wake();
  }

  writeSync = (_fd: number, data: string | NodeJS.ArrayBufferView): number => {
    if (!(data instanceof Uint8Array)) expect.fail('bytes are written');
    const type = data[0];
    if (type === 11 && this.startsByItself) this.emit(2);
    else if (type === 12) for (const host of this.#hosts.values()) host.receive(Uint8Array.from(data.subarray(6)));
    else if (type === 1) {
      for (const host of this.#hosts.values()) host.unplug();
      this.#hosts.clear();
      this.emit(3);
    }
    this.written.put(Buffer.from(data).toString('hex'));
    return data.length;
  };

  /** Queues an event of the given type. */
  emit(type: number, payload: ArrayLike<number> = [], size = 0): void {
    const event = new Uint8Array(uhidEventSize);
    event[0] = type;
    event.set(payload, 4);
    event[4100] = size;
    this.#events.push(event);
    this.#wake();
  }

  failRead(error: Error): void {
    this.#reader?.(error);
  }

  async connect(): Promise<HostConnection> {
    const host = {};
    const reports: ((report: Uint8Array) => void)[] = [];
    const closes: (() => void)[] = [];
    this.#hosts.set(host, {
      receive: (bytes) => {
        for (const listener of reports) listener(bytes);
      },
      unplug: () => {
        for (const listener of closes) listener();
      },
    });
    return {
      send: (bytes) => this.emit(6, [0, ...bytes], 65),
      onReport: (listener) => void reports.push(listener),
      onClose: (listener) => void closes.push(listener),
      close: async () => {
        if (this.#hosts.delete(host) && this.#hosts.size === 0) this.emit(5);
      },
    };
  }

  #wake(): void {
    setImmediate(() => {
      if (this.#reader === undefined) return;
      const event = this.#events.shift();
      if (event !== undefined) this.#reader(event);
    });
  }
}

describe('UhidTransport on a kernel made of a queue', () => {
  const kernels = new WeakMap<UhidTransport, QueueKernel>();
  describeTransport({
    create: () => {
      const kernel = new QueueKernel();
      const transport = new UhidTransport(identity, kernel);
      kernels.set(transport, kernel);
      return transport;
    },
    connect: (transport) => kernels.get(transport)?.connect() ?? expect.fail('an unknown transport'),
    noticesAbsence: true,
  });

  function plugIn() {
    const kernel = new QueueKernel();
    return { kernel, transport: new UhidTransport(identity, kernel) };
  }

  it('is open only when the kernel has started the device', async () => {
    const { kernel, transport } = plugIn();
    kernel.startsByItself = false;
    let isOpen = false;
    const opening = transport
      .open(() => undefined, neverFails)
      .then(() => {
        isOpen = true;
      });
    await kernel.written.next();
    await new Promise(setImmediate);
    expect(isOpen).toBe(false);
    kernel.emit(2);
    await opening;
    await transport.close();
  });

  it('closes the file only after the last read has ended', async () => {
    const { kernel, transport } = plugIn();
    await transport.open(() => undefined, neverFails);
    transport.closeNow();
    expect(kernel.isOpen).toBe(true);
    await transport.close();
    await new Promise(setImmediate);
    expect(kernel.isOpen).toBe(false);
  });

  it('can be closed while it opens', async () => {
    const { kernel, transport } = plugIn();
    kernel.startsByItself = false;
    const opening = transport.open(() => undefined, neverFails);
    const closing = transport.close();
    await expect(opening).rejects.toThrow('/dev/uhid ended before the device had started');
    await closing;
    expect(kernel.isOpen).toBe(false);
  });

  it('refuses GET_REPORT and SET_REPORT, and drops outputs of another size', async () => {
    const { kernel, transport } = plugIn();
    const fromHost = inbox<Uint8Array>();
    await transport.open(fromHost.put, neverFails);
    await kernel.written.next();
    kernel.emit(9, [1, 0, 0, 0]);
    kernel.emit(13, [2, 0, 0, 0]);
    expect(await kernel.written.next()).toBe('0a0000000100000005000000');
    expect(await kernel.written.next()).toBe('0e000000020000000500');
    kernel.emit(6, [1, 2, 3], 3);
    kernel.emit(6, report(1), 64);
    expect(await fromHost.next()).toEqual(report(1));
    await transport.close();
  });

  it('reports a read that fails, once, and closes the file', async () => {
    const { kernel, transport } = plugIn();
    const errors: Error[] = [];
    await transport.open(
      () => undefined,
      (error) => errors.push(error),
    );
    await new Promise(setImmediate);
    kernel.failRead(new Error('EIO'));
    expect(errors).toMatchObject([{ name: 'TransportError', code: 'io', message: 'cannot read /dev/uhid: EIO' }]);
    expect(kernel.isOpen).toBe(false);
    await transport.close();
  });

  it.each([
    ['ENOENT', 'no-device', 'no such device', /modprobe uhid/],
    ['EACCES', 'no-permission', 'permission denied', /udev/],
  ])('says on %s what is wrong and how to mend it', async (errno, code, text, hint) => {
    const { kernel, transport } = plugIn();
    kernel.openError = Object.assign(new Error(errno), { code: errno });
    await expect(transport.open(() => undefined, neverFails)).rejects.toMatchObject({
      code,
      message: `cannot open /dev/uhid: ${text}`,
      hint: expect.stringMatching(hint),
    });
  });
});

function whyNoUhid(): string | undefined {
  try {
    closeSync(openSync('/dev/uhid', 'r+'));
    return undefined;
  } catch (error) {
    return String(error);
  }
}

const obstacle = whyNoUhid();
if (obstacle !== undefined) console.log(`skips the UHID transport on the real kernel: ${obstacle}`);

describe.skipIf(obstacle !== undefined)('UhidTransport on the real kernel', () => {
  describeTransport({
    create: () => new UhidTransport(identity),
    connect: async () => {
      for (;;) {
        const device = (await findDevices()).find(({ serialNumber }) => serialNumber === identity.serialNumber);
        if (device) return openDevice(device.path);
        await delay(20); // udev makes the device file a moment after the kernel has made the device
      }
    },
  });
});
