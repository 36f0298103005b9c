// Peers that do the USB/IP transport no good: they break the protocol, fall silent, send more than they fetch, or are
// fuzzed. The device stays there for the next host.

import { connect } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
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
import { report } from './contract.ts';
import {
  anyPort,
  closeAll,
  connectTo,
  identity,
  importFrom,
  open,
  opened,
  read,
  statusRequest,
} from './usbip-hosts.ts';

closeAll();

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
