// A connection to a security key of the operating system, through node-hid.

import { accessSync, constants } from 'node:fs';
import { TransportError } from '../transport-error.ts';
import type { HostConnection } from './host-connection.ts';

/** Opens the device at a `path` of `findDevices`. @throws TransportError if it is gone or may not be opened */
export async function openDevice(path: string): Promise<HostConnection> {
  const device = await openHid(path).catch((cause: Error) => {
    throw openError(path, cause);
  });
  let isClosed = false;
  const reportListeners: ((report: Uint8Array) => void)[] = [];
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
      reportListeners.push(listener);
      // node-hid starts to read with every listener for data, and throws where it reads already.
      if (reportListeners.length > 1) return;
      device.on('data', (data: Buffer) => {
        for (const each of reportListeners) each(Uint8Array.from(data));
      });
    },
    onClose: (listener) => {
      closeListeners.push(listener);
    },
    close,
  };
}

async function openHid(path: string) {
  const { default: hid } = await import('node-hid');
  return hid.HIDAsync.open(path);
}

/** hidapi does not say why; where a device is a file, the file does. */
function openError(path: string, cause: Error): TransportError {
  const code = path.startsWith('/dev/') ? accessProblem(path) : undefined;
  if (code === 'ENOENT') {
    const hint = '`passfob keys --all` lists the keys of this machine';
    return new TransportError('no-device', `there is no ${path}`, { hint, cause });
  }
  if (code === 'EACCES') {
    return new TransportError('no-permission', `no permission to open ${path}`, {
      hint:
        "udev's rules let the user who sits at the machine open security keys; " +
        'from elsewhere (ssh, a service) it takes a rule, see docs/transports.md',
      cause,
    });
  }
  const hint = 'is the key plugged in, and does no other program hold it?';
  return new TransportError('no-device', `cannot open ${path}: ${cause.message}`, { hint, cause });
}

function accessProblem(path: string): string | undefined {
  try {
    accessSync(path, constants.R_OK | constants.W_OK);
    return undefined;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code;
  }
}
