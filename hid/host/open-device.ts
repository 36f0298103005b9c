// A connection to a security key of the operating system, through node-hid.

import { TransportError } from '../transport-error.ts';
import type { HostConnection } from './host-connection.ts';

/** Opens the device at a `path` of `findDevices`. @throws TransportError if it is gone or may not be opened */
export async function openDevice(path: string): Promise<HostConnection> {
  const { default: hid } = await import('node-hid');
  const device = await hid.HIDAsync.open(path).catch((cause: Error) => {
    throw new TransportError('no-device', `cannot open ${path}: ${cause.message}`, {
      hint: 'is the key plugged in, and may you read and write its device file?',
      cause,
    });
  });
  let isClosed = false;
  const closeListeners: (() => void)[] = [];
  const close = async () => {
    if (isClosed) return;
    isClosed = true;
    await device.close().catch(() => undefined); // of a device that was pulled out
    for (const listener of closeListeners) listener();
  };
  device.on('error', () => void close());
  return {
    send: async (report) => {
      await device.write([0x00, ...report]); // the report number, of a device without numbered reports
    },
    onReport: (listener) => {
      device.on('data', (data: Buffer) => listener(Uint8Array.from(data)));
    },
    onClose: (listener) => {
      closeListeners.push(listener);
    },
    close,
  };
}
