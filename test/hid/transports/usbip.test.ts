// The USB/IP transport over plain TCP, with an independent client in the kernel's place: what every transport keeps, its
// address, and the import of the device.

import { describe, expect, it } from 'vitest';
import { UsbIpTransport } from '../../../hid/transports/usbip.ts';
import { setupPacket, type UsbIpClient } from '../../support/usbip-client.ts';
import { UsbIpMachine } from '../../support/usbip-machine.ts';
import { describeTransport, report } from './contract.ts';
import {
  anyPort,
  clients,
  closeAll,
  connectTo,
  identity,
  importFrom,
  neverFails,
  open,
  read,
  statusRequest,
} from './usbip-hosts.ts';

closeAll();

describe('UsbIpTransport', () => {
  /** The machine that has imported the device last: its programs share it, as through hidraw. */
  let machine: UsbIpMachine | undefined;

  describeTransport({
    create: () => new UsbIpTransport(anyPort, identity),
    noticesAbsence: true,
    connect: async (transport) => {
      if (!(await machine?.has(transport.address))) machine = await UsbIpMachine.plugIn(transport.address);
      return machine?.program() ?? expect.fail('there is no machine');
    },
  });
});

describe('the address', () => {
  it('has the port that the system chose, and keeps it when opened again', async () => {
    const { transport } = await open();
    const { name } = transport;
    expect(name).toMatch(/^usbip:127\.0\.0\.1:[1-9]\d*$/);
    await transport.close();
    await transport.open(() => {}, neverFails);
    expect(transport.name).toBe(name);
  });

  it('is refused if it is taken, with a way out', async () => {
    const { transport } = await open();
    const other = new UsbIpTransport(transport.address, identity);
    await expect(other.open(() => {}, neverFails)).rejects.toMatchObject({
      code: 'in-use',
      hint: expect.stringContaining('choose another port'),
    });
  });
});

describe('an import', () => {
  it('may come after any number of lists, on the same connection', async () => {
    const { transport } = await open();
    const client = await connectTo(transport);
    const list = await client.list();
    expect(await client.list()).toEqual(list);
    const { status, record } = await client.import();
    expect(status).toBe(0);
    expect(list.subarray(12, 324)).toEqual(record);
  });

  it('is refused for a device that is not there', async () => {
    const { transport } = await open();
    const client = await connectTo(transport);
    expect(await client.import('2-1')).toMatchObject({ status: 4 });
    expect(await client.import('')).toMatchObject({ status: 4 });
    expect(await client.import('1-1')).toMatchObject({ status: 0 });
  });

  it('is refused while another host has the device, which goes on, and granted when that host has left', async () => {
    const { transport, fromHost, detached } = await open();
    const first = await importFrom(transport);
    const second = await connectTo(transport);
    expect(await second.import()).toMatchObject({ status: 2 });
    expect((await second.list()).readUInt32BE(8)).toBe(1);
    await first.submit(1, 'out', { data: Buffer.from(report(1)) }).done;
    expect(await fromHost.next()).toEqual(report(1));
    expect(detached.size).toBe(0);
    await first.close();
    await detached.next();
    expect(await second.import()).toMatchObject({ status: 0 });
    expect(await second.control(statusRequest)).toMatchObject({ status: 0 });
  });

  it('can be repeated a hundred times, each ended in another way', async () => {
    const { transport, detached } = await open();
    const ways: ((client: UsbIpClient) => unknown)[] = [
      (client) => client.socket.end(),
      (client) => client.socket.destroy(),
      (client) => client.socket.resetAndDestroy(),
      (client) => client.socket.end(Buffer.from('0000000100', 'hex')),
    ];
    for (let i = 0; i < 100; i++) {
      const client = await importFrom(transport);
      read(client);
      ways[i % ways.length]?.(client);
      await detached.next();
      await client.close();
      clients.length = 0;
    }
  });

  it('starts with a device as new: configured, nothing halted, no report of before', async () => {
    const { transport, detached } = await open();
    const first = await importFrom(transport);
    await first.control(setupPacket(0x02, 3, 0, 0x81));
    await first.control(setupPacket(0x00, 9, 0));
    await transport.send(report(1));
    await first.close();
    await detached.next();
    const second = await importFrom(transport);
    const waiting = read(second);
    await second.control(statusRequest);
    await transport.send(report(2));
    expect((await waiting.done).data).toEqual(Buffer.from(report(2)));
  });
});
