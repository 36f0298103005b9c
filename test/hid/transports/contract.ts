// What every transport keeps, see hid/transport.ts. A suite to be called with a way to make one and to plug hosts in.

import { afterEach, expect, it } from 'vitest';
import type { HostConnection } from '../../../hid/host/host-connection.ts';
import type { HidTransport } from '../../../hid/transport.ts';

export interface Rig<T extends HidTransport> {
  create(): T | Promise<T>;
  connect(transport: T): Promise<HostConnection>;
  /** Whether the transport notices that the last host has left. */
  readonly noticesAbsence?: boolean;
}

/** A queue of what came, to be awaited one by one. */
export function inbox<T>(): { put: (item: T) => void; next: () => Promise<T>; readonly size: number } {
  const items: T[] = [];
  const waiting: ((item: T) => void)[] = [];
  return {
    put: (item) => {
      const waiter = waiting.shift();
      if (waiter) waiter(item);
      else items.push(item);
    },
    next: () =>
      new Promise((resolve) => {
        const item = items.shift();
        if (item === undefined) waiting.push(resolve);
        else resolve(item);
      }),
    get size() {
      return items.length;
    },
  };
}

export const report = (first: number) => Uint8Array.from({ length: 64 }, (_, i) => (first + i) & 0xff);

export function describeTransport<T extends HidTransport>({ create, connect, noticesAbsence = false }: Rig<T>): void {
  const opened: T[] = [];
  const neverFails = (error: Error) => expect.fail(error.message);

  async function open() {
    const transport = await create();
    opened.push(transport);
    const fromHost = inbox<Uint8Array>();
    await transport.open(fromHost.put, neverFails);
    return { transport, fromHost };
  }

  async function plugIn(transport: T) {
    const host = await connect(transport);
    const fromDevice = inbox<Uint8Array>();
    host.onReport(fromDevice.put);
    return { host, fromDevice };
  }

  /** A host that the device has heard of for certain. */
  async function plugInHeard(transport: T, fromHost: { next(): Promise<Uint8Array> }) {
    const parts = await plugIn(transport);
    await parts.host.send(report(0));
    await fromHost.next();
    return parts;
  }

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((transport) => transport.close()));
  });

  it('carries reports from the host in order, as plain bytes of its own', async () => {
    const { transport, fromHost } = await open();
    const { host } = await plugIn(transport);
    for (let i = 0; i < 200; i++) void host.send(report(i));
    const seen: Uint8Array[] = [];
    for (let i = 0; i < 200; i++) seen.push(await fromHost.next());
    expect(seen).toEqual(Array.from({ length: 200 }, (_, i) => report(i)));
    expect(seen[0]?.constructor).toBe(Uint8Array);
  });

  it('carries reports to the host in order, and does not keep their bytes', async () => {
    const { transport, fromHost } = await open();
    const { fromDevice } = await plugInHeard(transport, fromHost);
    const buffer = new Uint8Array(64);
    for (let i = 0; i < 200; i++) {
      buffer.set(report(i));
      void transport.send(buffer);
    }
    buffer.fill(0xee);
    for (let i = 0; i < 200; i++) expect(await fromDevice.next()).toEqual(report(i));
  });

  it('shows each report to every host', async () => {
    const { transport, fromHost } = await open();
    const hosts = [await plugInHeard(transport, fromHost), await plugInHeard(transport, fromHost)];
    await transport.send(report(7));
    for (const { fromDevice } of hosts) expect(await fromDevice.next()).toEqual(report(7));
  });

  it('goes on when a host leaves', async () => {
    const { transport, fromHost } = await open();
    const leaving = await plugInHeard(transport, fromHost);
    const { host, fromDevice } = await plugInHeard(transport, fromHost);
    await leaving.host.close();
    await transport.send(report(1));
    expect(await fromDevice.next()).toEqual(report(1));
    await host.send(report(2));
    expect(await fromHost.next()).toEqual(report(2));
  });

  it.runIf(noticesAbsence)(
    'says each time that the last host has left, and nothing when one of several does',
    async () => {
      const transport = await create();
      opened.push(transport);
      const [fromHost, abandoned] = [inbox<Uint8Array>(), inbox<string>()];
      await transport.open(fromHost.put, neverFails, () => abandoned.put('abandoned'));
      const [first, second] = [await plugInHeard(transport, fromHost), await plugInHeard(transport, fromHost)];
      await first.host.close();
      await second.host.send(report(1));
      await fromHost.next();
      expect(abandoned.size).toBe(0);
      await second.host.close();
      expect(await abandoned.next()).toBe('abandoned');
      const third = await plugInHeard(transport, fromHost);
      await third.host.close();
      expect(await abandoned.next()).toBe('abandoned');
    },
  );

  it('sends without a host, and is quiet about it', async () => {
    const { transport } = await open();
    await transport.send(report(1));
  });

  it('tells the host when it is closed', async () => {
    const { transport, fromHost } = await open();
    const { host } = await plugInHeard(transport, fromHost);
    const closed = new Promise<void>((resolve) => host.onClose(resolve));
    await transport.close();
    await closed;
  });

  it('is closed twice, and without having been open, without complaint', async () => {
    const { transport } = await open();
    await transport.close();
    await transport.close();
    transport.closeNow();
    const other = await create();
    await other.close();
    other.closeNow();
  });

  it.each(['close', 'closeNow'] as const)('opens again after %s', async (how) => {
    const { transport, fromHost } = await open();
    await plugInHeard(transport, fromHost);
    await transport[how]();
    const again = inbox<Uint8Array>();
    await transport.open(again.put, neverFails);
    const { host, fromDevice } = await plugInHeard(transport, again);
    await transport.send(report(3));
    expect(await fromDevice.next()).toEqual(report(3));
    expect(fromHost.size).toBe(0);
    await host.close();
  });
}
