// The host's end of the socket transport: a stream of 64-byte reports over a Unix socket or loopback TCP.

import { connect } from 'node:net';
import { TransportError } from '../transport-error.ts';
import { formatTransport, type SocketAddress } from '../transports/address.ts';
import { reportReader } from '../transports/report-stream.ts';
import type { HostConnection } from './host-connection.ts';

/** Connects to a key that listens on a socket. @throws TransportError `no-device` if nothing listens there */
export async function connectSocket(address: SocketAddress): Promise<HostConnection> {
  const socket = connect(address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port });
  await new Promise<void>((resolve, reject) => {
    socket.once('connect', resolve);
    socket.once('error', (cause) => {
      reject(
        new TransportError('no-device', `cannot connect to ${formatTransport(address)}: ${cause.message}`, { cause }),
      );
    });
  });
  // What goes wrong later ends in `close`, which is all that a connection tells.
  socket.on('error', () => undefined);
  socket.setNoDelay(true);
  return {
    send: (report) =>
      new Promise((resolve, reject) => {
        socket.write(Buffer.from(report), (error) => (error ? reject(error) : resolve()));
      }),
    onReport: (listener) => {
      socket.on('data', reportReader(listener));
    },
    onClose: (listener) => {
      socket.once('close', () => listener());
    },
    close: async () => {
      if (socket.closed) return;
      const closed = new Promise((resolve) => socket.once('close', resolve));
      socket.destroy();
      await closed;
    },
  };
}
