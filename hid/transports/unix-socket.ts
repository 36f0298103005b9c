// Listening on a Unix socket that only its owner may open, in the place of one that a dead process left behind.

import { closeSync, existsSync, lstatSync, openSync, rmSync } from 'node:fs';
import { connect, type ListenOptions, type Server } from 'node:net';
import { dirname } from 'node:path';

/** Taking a place lasts milliseconds. */
const maxTurnMs = 10_000;

/** Bytes of a path that fit a `sockaddr_un`. Longer ones are cut short by some versions of Node, without a word. */
export const maxSocketPathBytes = process.platform === 'linux' ? 107 : 103;

/**
 * Resolves when `server` listens on `path`, mode 0600 from the file's first moment.
 * @throws Error with the system's `code`; EADDRINUSE if somebody answers there, ENOTSOCK if something else is there.
 */
export async function listenOnUnixSocket(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) > maxSocketPathBytes) {
    throw systemError('ENAMETOOLONG', `the path has more than ${maxSocketPathBytes} bytes`);
  }
  // The system's own words for it are "permission denied".
  if (!existsSync(dirname(path))) throw systemError('ENOENT', 'there is no such folder');
  const release = takeTurn(path);
  try {
    await listen(server, { path });
  } catch (error) {
    if (errorCode(error) !== 'EADDRINUSE') throw error;
    if (!isSocket(path)) throw systemError('ENOTSOCK', 'there is something else, which is no socket');
    if (!(await isAbandoned(path))) throw error;
    rmSync(path, { force: true });
    await listen(server, { path });
  } finally {
    release();
  }
}

/**
 * One at a time looks whether somebody listens and takes the place of who does not: of two that start together, one
 * could otherwise take away the other's socket. A file that a killed process left behind holds nobody up for long.
 * @throws Error with code EADDRINUSE if another one is at it
 */
function takeTurn(path: string): () => void {
  const file = `${path}.lock`;
  const age = Date.now() - (lstatSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Number.NaN);
  if (age > maxTurnMs) rmSync(file, { force: true });
  try {
    closeSync(openSync(file, 'wx', 0o600));
  } catch (error) {
    throw errorCode(error) === 'EEXIST' ? systemError('EADDRINUSE', 'another program is about to listen there') : error;
  }
  return () => rmSync(file, { force: true });
}

/** Resolves when `server` listens. @throws Error with the system's `code` */
export function listen(server: Server, options: ListenOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.once('listening', () => {
      server.off('error', reject);
      // A connection that could not be accepted is lost; the server goes on.
      server.on('error', () => undefined);
      resolve();
    });
    // The socket is bound before `listen` returns.
    const umask = process.umask(0o177);
    try {
      server.listen(options);
    } finally {
      process.umask(umask);
    }
  });
}

export function errorCode(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}

function isSocket(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSocket() ?? false;
}

/** A socket that plainly refuses: any other answer may come from an owner that lives. */
function isAbandoned(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path });
    probe.once('connect', () => {
      probe.destroy();
      resolve(false);
    });
    probe.once('error', (error) => resolve(errorCode(error) === 'ECONNREFUSED'));
  });
}

function systemError(code: string, message: string): Error {
  return Object.assign(new Error(message), { code });
}
