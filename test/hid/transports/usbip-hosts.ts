// A UsbIpTransport for each test, and hosts that import the device from it: independent clients in the kernel's place.
// What a test has opened is closed after it.

import { afterEach, expect } from 'vitest';
import { UsbIpTransport } from '../../../hid/transports/usbip.ts';
import { setupPacket, UsbIpClient } from '../../support/usbip-client.ts';
import { inbox } from './contract.ts';

export const identity = {
  productName: 'passfob test',
  vendorId: 0x1209,
  productId: 0x0001,
  deviceVersion: 0x0100,
  serialNumber: 'TEST',
};
export const anyPort = { kind: 'usbip', host: '127.0.0.1', port: 0 } as const;
export const statusRequest = setupPacket(0x80, 0, 0, 0, 2);
export const neverFails = (error: Error) => expect.fail(error.message);

export const opened: UsbIpTransport[] = [];
export const clients: { close(): Promise<void> }[] = [];
/** After each test of the file. */
export function closeAll(): void {
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close()));
    await Promise.all(opened.splice(0).map((transport) => transport.close()));
  });
}

export async function open(options?: { patienceMs: number }) {
  const transport = new UsbIpTransport(anyPort, identity, options);
  opened.push(transport);
  const fromHost = inbox<Uint8Array>();
  const detached = inbox<true>();
  await transport.open(fromHost.put, neverFails, () => detached.put(true));
  return { transport, fromHost, detached };
}

export async function connectTo(transport: UsbIpTransport): Promise<UsbIpClient> {
  const client = await UsbIpClient.connect(transport.address);
  clients.push(client);
  return client;
}

export async function importFrom(transport: UsbIpTransport): Promise<UsbIpClient> {
  const client = await connectTo(transport);
  expect(await client.import()).toMatchObject({ status: 0 });
  return client;
}

export const read = (client: UsbIpClient) => client.submit(1, 'in', { length: 64 });
