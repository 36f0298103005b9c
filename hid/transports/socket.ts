// The key on a socket: a stream of 64-byte reports both ways, over a Unix socket or TCP on the loopback interface.
// As with hidraw, any number of programs come and go, and each sees every report that the device sends.

import { lstatSync, rmSync } from 'node:fs';
import { connect, createServer, type ListenOptions, type Server, type Socket } from 'node:net';
import type { HidTransport } from '../transport.ts';
import { TransportError } from '../transport-error.ts';
import { formatTransport, isLoopback, type SocketAddress } from './address.ts';
import { reportReader } from './report-stream.ts';

/** A client that lets this much pile up is not reading any more, and is dropped. */
const maxBacklogBytes = 1 << 20;

const hintInUse = 'stop the other program, or choose another address';

export class SocketTransport implements HidTransport {
  #address: SocketAddress;
  #server: Server | undefined;
  readonly #clients = new Set<Socket>();

  /** @throws RangeError if a TCP host is not a loopback address */
  constructor(address: SocketAddress) {
    if (address.kind === 'tcp' && !isLoopback(address.host)) {
      throw new RangeError(`expected a loopback address (127.0.0.1 or [::1]), got ${address.host}`);
    }
    this.#address = address;
  }

  /** Where clients connect; once open, with the port that the system chose for port 0. */
  get address(): SocketAddress {
    return this.#address;
  }

  get name(): string {
    return formatTransport(this.#address);
  }

  /** @throws TransportError `in-use` if something else is there, `no-permission` or `io` if the system refuses */
  async open(onReport: (report: Uint8Array) => void): Promise<void> {
    try {
      this.#server = await this.#listen(onReport);
    } catch (error) {
      if (!(await this.#removeStaleSocket(error))) throw this.#asTransportError(error);
      this.#server = await this.#listen(onReport).catch((again) => {
        throw this.#asTransportError(again);
      });
    }
    // A connection that could not be accepted is lost; the server goes on.
    this.#server.on('error', () => undefined);
    const bound = this.#server.address();
    if (this.#address.kind === 'tcp' && bound !== null && typeof bound === 'object') {
      this.#address = { ...this.#address, port: bound.port };
    }
  }

  async send(report: Uint8Array): Promise<void> {
    if (this.#clients.size === 0) return;
    const bytes = Buffer.from(report);
    for (const client of this.#clients) {
      client.write(bytes);
      if (client.writableLength > maxBacklogBytes) client.destroy();
    }
  }

  async close(): Promise<void> {
    const server = this.#server;
    this.#server = undefined;
    this.#dropClients();
    if (server !== undefined) await new Promise((resolve) => server.close(resolve));
  }

  closeNow(): void {
    this.#server?.close();
    this.#server = undefined;
    this.#dropClients();
  }

  #dropClients(): void {
    for (const client of this.#clients) client.destroy();
    this.#clients.clear();
  }

  #listen(onReport: (report: Uint8Array) => void): Promise<Server> {
    const server = createServer((client) => this.#serve(client, onReport));
    return new Promise((resolve, reject) => {
      server.once('error', reject);
      server.once('listening', () => {
        server.off('error', reject);
        resolve(server);
      });
      if (this.#address.kind === 'unix') listenPrivately(server, { path: this.#address.path });
      else server.listen({ host: this.#address.host, port: this.#address.port });
    });
  }

  #serve(client: Socket, onReport: (report: Uint8Array) => void): void {
    client.setNoDelay(true);
    client.on('data', reportReader(onReport));
    client.on('error', () => client.destroy());
    client.on('close', () => this.#clients.delete(client));
    this.#clients.add(client);
  }

  /** A process that died leaves its socket file behind; nobody answers there. True if such a file was removed. */
  async #removeStaleSocket(error: unknown): Promise<boolean> {
    if (this.#address.kind !== 'unix' || errorCode(error) !== 'EADDRINUSE') return false;
    const { path } = this.#address;
    if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket() || (await isAnswered(path))) return false;
    rmSync(path, { force: true });
    return true;
  }

  #asTransportError(cause: unknown): TransportError {
    const problem = (text: string) => `cannot listen on ${this.name}: ${text}`;
    switch (errorCode(cause)) {
      case 'EADDRINUSE':
        return new TransportError('in-use', problem('in use'), { hint: hintInUse, cause });
      case 'EACCES':
      case 'EPERM':
        return new TransportError('no-permission', problem('permission denied'), { cause });
      default:
        return new TransportError('io', problem(cause instanceof Error ? cause.message : String(cause)), { cause });
    }
  }
}

/** Binds happen within `listen`, so with this umask the file is 0600 from its first moment. */
function listenPrivately(server: Server, options: ListenOptions): void {
  const umask = process.umask(0o177);
  try {
    server.listen(options);
  } finally {
    process.umask(umask);
  }
}

/** Anything but a plain refusal counts as an answer: a socket whose owner may live is not ours to remove. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(true);
    });
    probe.once('error', (error) => resolve(errorCode(error) !== 'ECONNREFUSED'));
  });
}

function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
