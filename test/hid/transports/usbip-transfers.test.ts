// The transfers of a host that has imported the device over USB/IP: to it, from it, over endpoint zero, and taken back
// by UNLINK.

import { describe, expect, it } from 'vitest';
import { setupPacket } from '../../support/usbip-client.ts';
import { report } from './contract.ts';
import { closeAll, importFrom, open, read, statusRequest } from './usbip-hosts.ts';

closeAll();

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
