// The key on a socket: a stream of 64-byte reports both ways, over a Unix socket or TCP on the loopback interface.
// As with hidraw, any number of programs come and go, and each sees every report that the device sends.

import { createServer, type Server, type Socket } from 'node:net';
import type { HidTransport } from '../transport.ts';
import { TransportError } from '../transport-error.ts';
import { formatTransport, isLoopback, type SocketAddress } from './address.ts';
import { reportReader } from './report-stream.ts';
import { errorCode, listen, listenOnUnixSocket } from './unix-socket.ts';

/** A client that lets this much pile up is not reading any more, and is dropped. */
const maxBacklogBytes = 1 << 20;

const hintNoFolder = 'make the folder, or choose another path';
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
  async open(
    onReport: (report: Uint8Array) => void,
    _onError?: (error: Error) => void,
    onAbandoned?: () => void,
  ): Promise<void> {
    const server = createServer((client) => this.#serve(client, onReport, onAbandoned));
    const address = this.#address;
    try {
      await (address.kind === 'unix' ? listenOnUnixSocket(server, address.path) : listen(server, address));
    } catch (error) {
      throw this.#asTransportError(error);
    }
    this.#server = server;
    const bound = server.address();
    if (address.kind === 'tcp' && bound !== null && typeof bound === 'object') {
      this.#address = { ...address, port: bound.port };
    }
  }

  async send(report: Uint8Array): Promise<void> {
    if (this.#clients.size === 0) return;
    const bytes = Buffer.from(report);
    for (const client of this.#clients) {
      // The reports of one message go out in one piece, with one system call.
      if (client.writableCorked === 0) {
        client.cork();
        process.nextTick(() => client.uncork());
      }
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

  #serve(client: Socket, onReport: (report: Uint8Array) => void, onAbandoned: (() => void) | undefined): void {
    client.setNoDelay(true);
    client.on('data', reportReader(onReport));
    client.on('error', () => client.destroy());
    client.on('close', () => {
      if (this.#clients.delete(client) && this.#clients.size === 0) onAbandoned?.();
    });
    this.#clients.add(client);
  }

  #asTransportError(cause: unknown): TransportError {
    const problem = (text: string) => `cannot listen on ${this.name}: ${text}`;
    switch (errorCode(cause)) {
      case 'EADDRINUSE':
        return new TransportError('in-use', problem('in use'), { hint: hintInUse, cause });
      case 'ENOTSOCK':
        return new TransportError('in-use', problem((cause as Error).message), { hint: 'choose another path', cause });
      case 'ENOENT':
        return new TransportError('io', problem((cause as Error).message), { hint: hintNoFolder, cause });
      case 'EACCES':
      case 'EPERM':
        return new TransportError('no-permission', problem('permission denied'), { cause });
      default:
        return new TransportError('io', problem(cause instanceof Error ? cause.message : String(cause)), { cause });
    }
  }
}
