// The USB/IP transport over plain TCP, with an independent client in the kernel's place.

import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { CtapHidDevice } from '../../../hid/device.ts';
import { splitMessage } from '../../../hid/packet.ts';
import { UsbIpTransport } from '../../../hid/transports/usbip.ts';
import { broadcastChannel, Command, maxMessageSize } from '../../../hid/wire.ts';
import {
  deviceListRequest,
  importRequest,
  setupPacket,
  submitCommand,
  UsbIpClient,
  unlinkCommand,
} from '../../support/usbip-client.ts';
import { UsbIpMachine } from '../../support/usbip-machine.ts';
import { describeTransport, inbox, report } from './contract.ts';

const identity = {
  productName: 'passfob test',
  vendorId: 0x1209,
  productId: 0x0001,
  deviceVersion: 0x0100,
  serialNumber: 'TEST',
};
const anyPort = { kind: 'usbip', host: '127.0.0.1', port: 0 } as const;
const statusRequest = setupPacket(0x80, 0, 0, 0, 2);
const neverFails = (error: Error) => expect.fail(error.message);

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

const opened: UsbIpTransport[] = [];
const clients: { close(): Promise<void> }[] = [];
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  await Promise.all(opened.splice(0).map((transport) => transport.close()));
});

async function open(options?: { patienceMs: number }) {
  const transport = new UsbIpTransport(anyPort, identity, options);
  opened.push(transport);
  const fromHost = inbox<Uint8Array>();
  const detached = inbox<true>();
  await transport.open(fromHost.put, neverFails, () => detached.put(true));
  return { transport, fromHost, detached };
}

async function connectTo(transport: UsbIpTransport): Promise<UsbIpClient> {
  const client = await UsbIpClient.connect(transport.address);
  clients.push(client);
  return client;
}

async function importFrom(transport: UsbIpTransport): Promise<UsbIpClient> {
  const client = await connectTo(transport);
  expect(await client.import()).toMatchObject({ status: 0 });
  return client;
}

const read = (client: UsbIpClient) => client.submit(1, 'in', { length: 64 });

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

describe('a transfer to the host', () => {
  it('waits for a report; several are answered in order', async () => {
    const { transport } = await open();
    const client = await importFrom(transport);
    const transfers = [read(client), read(client), read(client)];
    await client.control(statusRequest);
    for (let i = 0; i < 3; i++) await transport.send(report(i));
    for (const [i, { done }] of transfers.entries()) {
      expect(await done).toEqual({ status: 0, actualLength: 64, data: Buffer.from(report(i)) });
    }
  });

  it('gets a report that came while the host was about to ask for the next one', async () => {
    const { transport } = await open();
    const client = await importFrom(transport);
    const first = read(client);
    await client.control(statusRequest);
    for (let i = 0; i < 130; i++) await transport.send(report(i));
    expect((await first.done).data).toEqual(Buffer.from(report(0)));
    for (let i = 1; i < 130; i++) expect((await read(client).done).data).toEqual(Buffer.from(report(i)));
  });

  it('overflows if it has no room for a report', async () => {
    const { transport } = await open();
    const client = await importFrom(transport);
    expect(await client.submit(1, 'in', { length: 63 }).done).toMatchObject({ status: -75, actualLength: 0 });
  });

  it('stalls while the endpoint is halted, and on an endpoint that is not there', async () => {
    const { transport } = await open();
    const client = await importFrom(transport);
    expect(await client.submit(2, 'in', { length: 64 }).done).toMatchObject({ status: -32 });
    await client.control(setupPacket(0x02, 3, 0, 0x81));
    expect(await read(client).done).toMatchObject({ status: -32 });
    await client.control(setupPacket(0x02, 1, 0, 0x81));
    const waiting = read(client);
    await client.control(statusRequest);
    await transport.send(report(1));
    expect(await waiting.done).toMatchObject({ status: 0 });
  });
});

describe('a transfer from the host', () => {
  it('of several packets has a report in each; odd packets are taken and dropped', async () => {
    const { transport, fromHost } = await open();
    const client = await importFrom(transport);
    const data = Buffer.concat([report(1), report(2), Buffer.alloc(5)]);
    expect(await client.submit(1, 'out', { data }).done).toMatchObject({ status: 0, actualLength: 133 });
    expect(await client.submit(1, 'out', { data: Buffer.alloc(3) }).done).toMatchObject({ status: 0, actualLength: 3 });
    expect([await fromHost.next(), await fromHost.next(), fromHost.size]).toEqual([report(1), report(2), 0]);
  });

  it('over endpoint zero is a report as well (SET_REPORT), or stalls', async () => {
    const { transport, fromHost } = await open();
    const client = await importFrom(transport);
    const setReport = setupPacket(0x21, 9, 0x0200, 0, 64);
    expect(await client.control(setReport, Buffer.from(report(5)))).toMatchObject({ status: 0, actualLength: 64 });
    expect(await fromHost.next()).toEqual(report(5));
    expect(await client.control(setupPacket(0x21, 11, 0))).toMatchObject({ status: -32, actualLength: 0 });
  });

  it('stalls while its endpoint is halted, and brings no report', async () => {
    const { transport, fromHost } = await open();
    const client = await importFrom(transport);
    await client.control(setupPacket(0x02, 3, 0, 0x01));
    const data = Buffer.from(report(1));
    expect(await client.submit(1, 'out', { data }).done).toMatchObject({ status: -32, actualLength: 0 });
    expect(fromHost.size).toBe(0);
  });
});

describe('a control transfer', () => {
  it('that resets the port ends what was under way, and leaves no report of before', async () => {
    const { transport, detached, fromHost } = await open();
    const client = await importFrom(transport);
    const first = read(client);
    await client.control(statusRequest);
    for (let i = 0; i < 5; i++) await transport.send(report(i));
    await first.done;
    expect(await client.control(setupPacket(0x23, 3, 4))).toMatchObject({ status: 0 });
    await detached.next();
    const next = read(client);
    await client.submit(1, 'out', { data: Buffer.from(report(6)) }).done;
    expect(await fromHost.next()).toEqual(report(6));
    await transport.send(report(7));
    expect((await next.done).data).toEqual(Buffer.from(report(7)));
  });

  it('that resets the port leaves a transfer waiting, and its host reading', async () => {
    const { transport } = await open();
    const client = await importFrom(transport);
    const waiting = read(client);
    await client.control(setupPacket(0x23, 3, 4));
    for (let i = 0; i < 2; i++) await transport.send(report(i));
    expect((await waiting.done).data).toEqual(Buffer.from(report(0)));
    expect((await read(client).done).data).toEqual(Buffer.from(report(1)));
  });

  it('has no more data than the host has room for', async () => {
    const { transport } = await open();
    const client = await importFrom(transport);
    const setup = setupPacket(0x80, 6, 0x0100, 0, 64);
    expect((await client.submit(0, 'in', { setup, length: 64 }).done).actualLength).toBe(18);
    expect((await client.submit(0, 'in', { setup, length: 8 }).done).data.toString('hex')).toBe('1201000200000040');
  });
});

describe('UNLINK', () => {
  it('takes a waiting transfer back: it is never answered, and the next report goes to the next transfer', async () => {
    const { transport } = await open();
    const client = await importFrom(transport);
    const [cancelled, kept] = [read(client), read(client)];
    expect(await client.unlink(cancelled.sequence)).toBe(-104);
    await transport.send(report(1));
    expect((await kept.done).data).toEqual(Buffer.from(report(1)));
    await client.control(statusRequest);
    expect(client.strays).toEqual([]);
    expect(await Promise.race([cancelled.done, Promise.resolve('waiting')])).toBe('waiting');
  });

  it('of a transfer that was answered, or never was, says so with status 0', async () => {
    const { transport } = await open();
    const client = await importFrom(transport);
    const answered = read(client);
    await client.control(statusRequest);
    await transport.send(report(1));
    await answered.done;
    expect(await client.unlink(answered.sequence)).toBe(0);
    expect(await client.unlink(0x7fffffff)).toBe(0);
    const twice = read(client);
    expect([await client.unlink(twice.sequence), await client.unlink(twice.sequence)]).toEqual([-104, 0]);
  });

  it('of the last transfer means that nobody reads: what is sent then is lost, as on any HID device', async () => {
    const { transport } = await open();
    const client = await importFrom(transport);
    expect(await client.unlink(read(client).sequence)).toBe(-104);
    await transport.send(report(1));
    const again = read(client);
    await client.control(statusRequest);
    await transport.send(report(2));
    expect((await again.done).data).toEqual(Buffer.from(report(2)));
  });
});

describe('UNLINK of a transfer whose answer is on its way', () => {
  /** A host that has closed the device before it saw the report that it is sent. */
  async function closeLate() {
    const { transport, detached } = await open();
    const client = await importFrom(transport);
    const [first, last] = [read(client), read(client)];
    await client.control(statusRequest);
    for (let i = 0; i < 2; i++) await transport.send(report(i));
    await last.done;
    return { transport, detached, client, first, last };
  }

  it('is the end of reading as well: what is sent then is lost', async () => {
    const { transport, detached, client, last } = await closeLate();
    expect(await client.unlink(last.sequence)).toBe(0);
    await detached.next();
    await transport.send(report(2));
    const again = read(client);
    await client.control(statusRequest);
    await transport.send(report(3));
    expect((await again.done).data).toEqual(Buffer.from(report(3)));
  });

  it('is told once', async () => {
    const { detached, client, first, last } = await closeLate();
    expect([await client.unlink(first.sequence), await client.unlink(last.sequence)]).toEqual([0, 0]);
    await detached.next();
    expect(detached.size).toBe(0);
  });

  it('is nothing if the host has asked again since, or asks still', async () => {
    const { transport, detached, client, first } = await closeLate();
    const next = read(client);
    expect(await client.unlink(first.sequence)).toBe(0);
    await transport.send(report(2));
    expect((await next.done).data).toEqual(Buffer.from(report(2)));
    expect(detached.size).toBe(0);
  });
});

it('a host that stops reading does not meet what was not sent yet when it reads again', async () => {
  const { transport, detached } = await open();
  const client = await importFrom(transport);
  const first = read(client);
  await client.control(statusRequest);
  for (let i = 0; i < 200; i++) await transport.send(report(i));
  await first.done;
  await client.unlink(first.sequence);
  await detached.next();
  const again = read(client);
  await client.control(statusRequest);
  await transport.send(report(255));
  expect((await again.done).data).toEqual(Buffer.from(report(255)));
});

describe('a peer that breaks the protocol', () => {
  it.each<[string, Buffer[]]>([
    ['speaks HTTP', [Buffer.from('GET / HTTP/1.1\r\n\r\n')]],
    ['has another version', [Buffer.from('0106800500000000', 'hex')]],
    ['asks for an unknown operation', [Buffer.from('0111800700000000', 'hex')]],
    ['sends transfers before an import', [submitCommand(1, 0, 'in', { setup: statusRequest, length: 2 })]],
    ['sends operations after an import', [importRequest(), deviceListRequest, Buffer.alloc(40)]],
    ['sends an unknown command', [importRequest(), Buffer.alloc(48, 0xff)]],
    ['sends isochronous packets', [importRequest(), submitCommand(1, 1, 'in', { length: 64, packets: 2 })]],
    ['announces a huge transfer', [importRequest(), submitCommand(1, 1, 'out', { length: 0xffffffff })]],
    [
      'numbers two waiting transfers alike',
      [importRequest(), ...Array(2).fill(submitCommand(1, 1, 'in', { length: 64 }))],
    ],
    [
      'has too many waiting transfers',
      [importRequest(), ...Array.from({ length: 65 }, (_, i) => submitCommand(i, 1, 'in', { length: 64 }))],
    ],
  ])('is dropped when it %s', async (_, parts) => {
    const { transport } = await open();
    const client = await connectTo(transport);
    client.socket.write(Buffer.concat(parts));
    await client.closed;
    await importFrom(transport);
  });

  it('is dropped when it asks and asks and does not read', async () => {
    const { transport } = await open();
    const client = await connectTo(transport);
    client.socket.pause();
    const flood = Buffer.concat(Array.from({ length: 1000 }, () => deviceListRequest));
    const write = () => {
      while (!client.socket.destroyed && client.socket.write(flood)) {}
    };
    client.socket.on('drain', write);
    write();
    await client.closed;
    await importFrom(transport);
  });

  it.each<[string, Buffer]>([
    ['says nothing', Buffer.alloc(0)],
    ['stops within its first request', importRequest().subarray(0, 39)],
    ['stops after a list', deviceListRequest],
    ['stops within a command', Buffer.concat([importRequest(), submitCommand(1, 0, 'in').subarray(0, 47)])],
    ['stops within data', Buffer.concat([importRequest(), submitCommand(1, 1, 'out', { length: 64 })])],
  ])('is dropped when it %s, and the device is free', async (_, bytes) => {
    const { transport } = await open({ patienceMs: 20 });
    const client = await connectTo(transport);
    client.socket.write(bytes);
    await client.closed;
    await importFrom(transport);
  });

  it('is told from a host that has nothing to say', async () => {
    const { transport, fromHost } = await open({ patienceMs: 20 });
    const host = await importFrom(transport);
    const silent = await connectTo(transport);
    await silent.closed; // so long was the host silent, too
    await host.submit(1, 'out', { data: Buffer.from(report(1)) }).done;
    expect(await fromHost.next()).toEqual(report(1));
  });

  it('is told from one whose machine is gone: it does not ask for the next report, and makes room', async () => {
    const { transport, detached } = await open({ patienceMs: 20 });
    const gone = await importFrom(transport);
    const waiting = read(gone);
    await gone.control(statusRequest);
    for (let i = 0; i < 2; i++) await transport.send(report(i));
    await waiting.done;
    await read(gone).done;
    await detached.next();
    await importFrom(transport);
    await gone.closed;
  });

  it('is told from a host whose programs have closed the device just after a report: it keeps the device', async () => {
    const { transport, fromHost, detached } = await open({ patienceMs: 20 });
    const host = await importFrom(transport);
    const waiting = read(host);
    await host.control(statusRequest);
    await transport.send(report(1));
    await waiting.done;
    await detached.next();
    await host.submit(1, 'out', { data: Buffer.from(report(2)) }).done;
    expect(await fromHost.next()).toEqual(report(2));
    const next = read(host);
    await host.control(statusRequest);
    await transport.send(report(3));
    expect(Uint8Array.from((await next.done).data)).toEqual(report(3));
  });

  it('is told from a host that asks for the next report, and waits', async () => {
    const { transport } = await open({ patienceMs: 500 });
    const host = await importFrom(transport);
    const first = read(host);
    await host.control(statusRequest);
    await transport.send(report(1));
    await first.done;
    const next = read(host);
    const silent = await connectTo(transport);
    await silent.closed;
    await transport.send(report(2));
    expect(await next.done).toMatchObject({ status: 0 });
  });

  it('cannot keep others out: beyond sixteen connections the next one is closed, and their end makes room', async () => {
    const { transport } = await open();
    const many = await Promise.all(Array.from({ length: 16 }, () => connectTo(transport)));
    await Promise.all(many.map((client) => client.list()));
    await (await connectTo(transport)).closed;
    await many[0]?.close();
    await expect.poll(async () => (await (await connectTo(transport)).import().catch(() => undefined))?.status).toBe(0);
  });
});

it('a host that sends long pings and fetches next to no answer cannot fill the memory', async () => {
  const transport = new UsbIpTransport(anyPort, identity);
  opened.push(transport);
  const never = () => expect.fail('a ping is not for the handler');
  const version = { major: 1, minor: 0, build: 0 };
  const device = new CtapHidDevice({ transport, handler: { cbor: never, msg: never }, version, onBug: never });
  await device.open();
  const host = await importFrom(transport);
  const answer = read(host);
  await host.submit(1, 'out', { data: reportsOf(broadcastChannel, Command.INIT, 8) }).done;
  const channel = (await answer.done).data.readUInt32BE(15);
  const ping = reportsOf(channel, Command.PING, maxMessageSize);
  read(host);
  await host.control(statusRequest);

  const heapBefore = settledHeap();
  for (let i = 0; i < 2000; i++) {
    const parts = [0, 4096, 8192].map((start) => ping.subarray(start, start + 4096));
    const transfers = parts.map((data) => host.submit(1, 'out', { data }));
    if (i % 20 === 0) await transfers[2]?.done;
  }
  await host.control(statusRequest);
  expect(settledHeap() - heapBefore).toBeLessThan(8 << 20);
}, 60_000);

/** A message of `length` zeros, in reports one after the other. */
function reportsOf(channel: number, command: number, length: number): Buffer {
  return Buffer.concat(splitMessage(channel, command, new Uint8Array(length)));
}

function settledHeap(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  return process.memoryUsage().heapUsed;
}

describe('a fuzzed peer', () => {
  const setups = fc
    .tuple(
      fc.constantFrom(0x00, 0x01, 0x02, 0x21, 0x23, 0x40, 0x80, 0x81, 0x82, 0xa1, 0xc0),
      fc.integer({ min: 0, max: 12 }),
      fc.oneof(fc.constantFrom(0x0100, 0x0200, 0x0300, 0x2200, 0), fc.integer({ min: 0, max: 0xffff })),
      fc.oneof(fc.constantFrom(0, 0x81, 0x01), fc.integer({ min: 0, max: 0xffff })),
      fc.integer({ min: 0, max: 0xffff }),
    )
    .map((parts) => setupPacket(...parts));
  const word = fc.oneof(fc.integer({ min: 0, max: 8 }), fc.constantFrom(0x7fffffff, 0x80000000, 0xffffffff));
  const direction = fc.constantFrom('in' as const, 'out' as const);
  const data = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
  const commands = fc.oneof(
    fc.tuple(word, setups, direction, data).map(([n, setup, way, bytes]) => {
      return submitCommand(n, 0, way, { setup, ...(way === 'out' ? { data: bytes } : { length: 255 }) });
    }),
    fc.tuple(word, word, direction, data).map(([n, endpoint, way, bytes]) => {
      return submitCommand(n, endpoint, way, way === 'out' ? { data: bytes } : { length: bytes.length });
    }),
    fc.tuple(word, word, word).map(([n, length, packets]) => submitCommand(n, 1, 'in', { length, packets })),
    fc.tuple(word, word).map(([n, target]) => unlinkCommand(n, target)),
    data,
  );
  const openings = fc.oneof(
    { weight: 6, arbitrary: fc.constant(importRequest()) },
    { weight: 1, arbitrary: fc.constant(Buffer.concat([deviceListRequest, importRequest('9-9'), importRequest()])) },
    { weight: 1, arbitrary: data },
  );
  /** A stream, some of its bytes changed, cut off somewhere, and cut into pieces. */
  const streams = fc
    .tuple(
      openings,
      fc.array(commands, { maxLength: 12 }),
      fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 3 }),
      fc.option(fc.nat(), { freq: 4 }),
      fc.array(fc.nat(), { maxLength: 4 }),
    )
    .map(([opening, rest, changes, end, cuts]) => {
      const stream = Buffer.concat([opening, ...rest]);
      for (const [at, value] of changes) if (stream.length > 0) stream[at % stream.length] = value;
      const kept = end === null ? stream : stream.subarray(0, end % (stream.length + 1));
      const borders = [0, ...cuts.map((cut) => cut % (kept.length + 1)).sort((a, b) => a - b), kept.length];
      return borders.slice(1).map((border, i) => kept.subarray(borders[i], border));
    });

  it('never harms the device: the next host imports it and is answered', async () => {
    const { transport, detached } = await open();
    const heapBefore = settledHeap();
    await fc.assert(
      fc.asyncProperty(fc.array(streams, { minLength: 8, maxLength: 12 }), async (peers) => {
        await Promise.all(peers.map((pieces) => speak(transport, pieces)));
        const host = await UsbIpClient.connect(transport.address);
        let granted = await host.import();
        while (granted.status === 2) {
          await detached.next(); // The one before is on its way out.
          granted = await host.import();
        }
        expect(granted.status).toBe(0);
        expect(await host.control(statusRequest)).toMatchObject({ status: 0, actualLength: 2 });
        expect(await host.unlink(read(host).sequence)).toBe(-104);
        await host.close();
      }),
      { numRuns: 200 },
    );
    expect(settledHeap() - heapBefore).toBeLessThan(32 << 20);
  }, 120_000);

  /** One peer's whole life; the key speaks meanwhile. */
  async function speak(transport: UsbIpTransport, pieces: readonly Buffer[]): Promise<void> {
    const socket = connect({ ...transport.address });
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {});
    socket.resume();
    for (const piece of pieces) {
      await new Promise((resolve) => socket.write(piece, resolve));
      await transport.send(report(1));
    }
    socket.end();
    await closed;
  }
});
