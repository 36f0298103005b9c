// A device file as a stream of Node's event loop, which reads and writes when the kernel says that it can.
//
// Neither of Node's public ways does. node:fs blocks a thread of its pool in a read for as long as the host is silent,
// and a process with such a thread cannot end; node:net and node:tty refuse files of this type. What does fit is the
// class behind pipes and Unix sockets: it takes any file that the kernel can poll. It has no public name.

import { closeSync, constants, fstatSync, openSync } from 'node:fs';
import { Socket, type SocketConstructorOpts } from 'node:net';
import type { Duplex } from 'node:stream';

interface PipeHandle {
  open(fd: number): void;
}
interface PipeBinding {
  readonly Pipe: new (type: number) => PipeHandle;
  readonly constants: { readonly SOCKET: number };
}
type Internals = { binding(name: 'pipe_wrap'): PipeBinding };

/**
 * Opens a device file for reading and writing. Each chunk of the stream is what one read gave, and each write to the
 * stream is one write; `destroy` closes the file at once, whatever is under way.
 * @throws Error with the system's `code`
 */
export function openDeviceStream(path: string): Duplex {
  const { Pipe, constants: pipe } = (process as unknown as Internals).binding('pipe_wrap');
  const fd = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  // Node would not refuse a file that cannot be polled, but abort.
  if (fstatSync(fd).isFile()) {
    closeSync(fd);
    throw new Error(`expected a device at ${path}, got a plain file`);
  }
  const handle = new Pipe(pipe.SOCKET);
  handle.open(fd);
  const options = { handle, readable: true, writable: true, allowHalfOpen: true };
  return new Socket(options as SocketConstructorOpts);
}
