import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { connectSocket } from '../../../hid/host/connect-socket.ts';
import { SocketTransport } from '../../../hid/transports/socket.ts';
import { describeTransport, inbox, report } from './contract.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'passfob-socket-'));
  path = join(folder, 'key.sock');
});
afterEach(() => {
  rmSync(folder, { recursive: true });
});

const connectTo = (transport: SocketTransport) => connectSocket(transport.address);
const ignore = () => undefined;

describe('SocketTransport on a Unix socket', () => {
  describeTransport({
    create: () => new SocketTransport({ kind: 'unix', path }),
    connect: connectTo,
    noticesAbsence: true,
  });

  it.each([
    ['where nothing is', async () => undefined],
    ['where a killed process left its socket', leaveStaleSocket],
  ])('is one of two that open in the same moment %s', async (_, prepare) => {
    for (let round = 0; round < 20; round++) {
      await prepare();
      const rivals = [0, 1].map(() => new SocketTransport({ kind: 'unix', path }));
      const outcomes = await Promise.allSettled(rivals.map((rival) => rival.open(ignore)));
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
      expect(outcomes.find(({ status }) => status === 'rejected')).toMatchObject({ reason: { code: 'in-use' } });
      expect(existsSync(path)).toBe(true);
      await Promise.all(rivals.map((rival) => rival.close()));
      rmSync(path, { force: true });
    }
  });

  it('is not held up by one that was killed while it opened', async () => {
    writeFileSync(`${path}.lock`, '');
    const longAgo = new Date(Date.now() - 60_000);
    utimesSync(`${path}.lock`, longAgo, longAgo);
    const transport = new SocketTransport({ kind: 'unix', path });
    await transport.open(ignore);
    expect(existsSync(`${path}.lock`)).toBe(false);
    await transport.close();
  });

  it('makes the file for its owner only, whatever the umask is', async () => {
    const transport = new SocketTransport({ kind: 'unix', path });
    const umask = process.umask(0);
    try {
      await transport.open(ignore);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(process.umask()).toBe(0);
    } finally {
      process.umask(umask);
      await transport.close();
    }
  });

  it.each(['close', 'closeNow'] as const)('leaves no file behind after %s', async (how) => {
    const transport = new SocketTransport({ kind: 'unix', path });
    await transport.open(ignore);
    await transport[how]();
    expect(existsSync(path)).toBe(false);
  });

  it('refuses a socket on which another program answers, and leaves it alone', async () => {
    const one = new SocketTransport({ kind: 'unix', path });
    await one.open(ignore);
    const other = new SocketTransport({ kind: 'unix', path });
    await expect(other.open(ignore)).rejects.toMatchObject({
      name: 'TransportError',
      code: 'in-use',
      message: `cannot listen on socket:${path}: in use`,
    });
    await (await connectTo(one)).close();
    await one.close();
  });

  it('takes the place of a socket that a dead program has left', async () => {
    await leaveStaleSocket();
    const transport = new SocketTransport({ kind: 'unix', path });
    await transport.open(ignore);
    await (await connectTo(transport)).close();
    await transport.close();
  });

  it('never removes a file that is not a socket', async () => {
    writeFileSync(path, 'precious');
    await expect(new SocketTransport({ kind: 'unix', path }).open(ignore)).rejects.toMatchObject({
      code: 'in-use',
      message: expect.stringContaining('no socket'),
    });
    expect(statSync(path).size).toBe(8);
  });

  it('says where it cannot listen', async () => {
    const nowhere = join(folder, 'missing', 'key.sock');
    await expect(new SocketTransport({ kind: 'unix', path: nowhere }).open(ignore)).rejects.toMatchObject({
      name: 'TransportError',
      message: `cannot listen on socket:${nowhere}: there is no such folder`,
      hint: 'make the folder, or choose another path',
    });
  });

  it('refuses a path that the system would cut short', async () => {
    const long = join(folder, 'x'.repeat(120));
    await expect(new SocketTransport({ kind: 'unix', path: long }).open(ignore)).rejects.toMatchObject({
      name: 'TransportError',
      message: expect.stringContaining('the path has more than'),
    });
    expect(readdirSync(folder)).toEqual([]);
  });
});

describe('SocketTransport on TCP', () => {
  describeTransport({
    create: () => new SocketTransport({ kind: 'tcp', host: '127.0.0.1', port: 0 }),
    connect: connectTo,
    noticesAbsence: true,
  });

  it('tells the port that the system chose, and keeps it when opened again', async () => {
    const transport = new SocketTransport({ kind: 'tcp', host: '127.0.0.1', port: 0 });
    await transport.open(ignore);
    const { name } = transport;
    expect(name).toMatch(/^tcp:127\.0\.0\.1:[1-9]\d*$/);
    await transport.close();
    await transport.open(ignore);
    expect(transport.name).toBe(name);
    await transport.close();
  });

  it('refuses a port that is taken', async () => {
    const one = new SocketTransport({ kind: 'tcp', host: '127.0.0.1', port: 0 });
    await one.open(ignore);
    await expect(new SocketTransport(one.address).open(ignore)).rejects.toMatchObject({ code: 'in-use' });
    await one.close();
  });

  it.each(['0.0.0.0', '::', '10.0.0.1', 'localhost'])('refuses to listen on %s', (host) => {
    expect(() => new SocketTransport({ kind: 'tcp', host, port: 0 })).toThrow(/^expected a loopback address/);
  });
});

describe('the stream', () => {
  async function open() {
    const transport = new SocketTransport({ kind: 'unix', path });
    const fromHost = inbox<Uint8Array>();
    await transport.open(fromHost.put);
    return { transport, fromHost };
  }

  it('may break off within a report, which is dropped', async () => {
    const { transport, fromHost } = await open();
    const leaving = await rawClient();
    await new Promise<void>((resolve) => {
      leaving.once('close', () => resolve());
      leaving.end(report(1).subarray(0, 63));
    });
    const client = await rawClient();
    client.write(report(2));
    expect(await fromHost.next()).toEqual(report(2));
    client.destroy();
    await transport.close();
  });

  it('has the bytes of each report as they were sent, also for a client that is slow', async () => {
    const { transport, fromHost } = await open();
    const slow = await rawClient();
    slow.pause();
    slow.write(report(0));
    await fromHost.next();
    const total = 12_000; // more than the kernel's buffers take, less than the backlog
    const buffer = new Uint8Array(64);
    for (let i = 0; i < total; i++) void transport.send(buffer.fill(i));
    buffer.fill(0xee);
    const chunks: Buffer[] = [];
    slow.on('data', (chunk: Buffer) => chunks.push(chunk));
    slow.resume();
    while (Buffer.concat(chunks).length < total * 64) await new Promise((resolve) => slow.once('data', resolve));
    const expected = Buffer.concat(Array.from({ length: total }, (_, i) => new Uint8Array(64).fill(i)));
    expect(Buffer.concat(chunks).equals(expected)).toBe(true);
    slow.destroy();
    await transport.close();
  });

  it('is cut off for a client that does not read, and goes on for the others', async () => {
    const { transport, fromHost } = await open();
    const lazy = await rawClient();
    lazy.pause();
    lazy.write(report(0));
    await fromHost.next();
    const reader = await connectTo(transport);
    await reader.send(report(0));
    await fromHost.next();
    let count = 0;
    reader.onReport(() => count++);
    const gone = new Promise<void>((resolve) => lazy.once('close', () => resolve()));

    const total = 64 * 1024; // 4 MiB: more than the kernel's buffers and the backlog together
    for (let i = 0; i < total; i++) {
      await transport.send(report(i));
      if (i % 512 === 0) await new Promise(setImmediate); // lets the reader read
    }
    lazy.resume();
    await gone;
    while (count < total) await new Promise(setImmediate);
    await reader.close();
    await transport.close();
  });

  function rawClient(): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect({ path }, () => resolve(socket));
      socket.once('error', reject);
    });
  }
});

/** Binds a socket, and lets its file survive the server, as a killed process does. */
async function leaveStaleSocket(): Promise<void> {
  const server: Server = createServer();
  const elsewhere = `${path}.bound`;
  await new Promise<void>((resolve) => server.listen({ path: elsewhere }, resolve));
  renameSync(elsewhere, path);
  await new Promise((resolve) => server.close(resolve));
  expect(existsSync(path)).toBe(true);
}
