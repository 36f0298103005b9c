// The control socket between two processes that may both be somebody else: who is trusted, and what is said when
// the other end fails.

import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { controlSocketPath } from '../../../src/control/address.ts';
import { ControlClient } from '../../../src/control/client.ts';
import type { KeyOperations } from '../../../src/control/operations.ts';
import { type ControlServer, type DaemonControl, startControlServer } from '../../../src/control/server.ts';
import { createLog } from '../../../src/log.ts';

let folder: string;
let path: string;
const log: string[] = [];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'passfob-control-'));
  path = join(folder, 'control.sock');
  log.length = 0;
});
afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true });
});

const status = { running: true, vault: 'ours' };

function serve(operations: Partial<KeyOperations> = {}): Promise<ControlServer> {
  const control = { status: () => status } as unknown as DaemonControl;
  return startControlServer(
    path,
    operations as KeyOperations,
    control,
    createLog('debug', (line) => log.push(line)),
  );
}

function listenAt(server: Server): Promise<Server> {
  return new Promise((resolve) => server.listen({ path }, () => resolve(server)));
}

describe('a client', () => {
  test('finds nobody where there is no folder or no socket', async () => {
    expect(await new ControlClient(join(folder, 'none', 'control.sock')).status()).toBeUndefined();
    expect(await new ControlClient(path).status()).toBeUndefined();
  });

  test('does not talk to a socket in a folder that others may write to', async () => {
    const server = await serve();
    chmodSync(folder, 0o777);
    await expect(new ControlClient(path).status()).rejects.toMatchObject({ name: 'UserError', exitCode: 2 });
    chmodSync(folder, 0o700);
    expect(await new ControlClient(path).status()).toEqual(status);
    await server.close();
  });

  test('does not follow a link that somebody has laid in place of the folder', async () => {
    mkdirSync(join(folder, 'theirs'));
    symlinkSync(join(folder, 'theirs'), join(folder, 'passfob-0'));
    const client = new ControlClient(join(folder, 'passfob-0', 'control.sock'));
    await expect(client.status()).rejects.toThrow('is not a folder of this user');
  });

  test('says so when the daemon goes away before it answers', async () => {
    const server = await listenAt(createServer((socket) => socket.once('data', () => socket.destroy())));
    await expect(new ControlClient(path).list()).rejects.toMatchObject({ name: 'UserError', exitCode: 5 });
    server.close();
  });

  test('says so when what answers is not a daemon', async () => {
    const server = await listenAt(createHttpServer((_, response) => response.writeHead(404).end('<html>')));
    await expect(new ControlClient(path).list()).rejects.toMatchObject({ name: 'UserError', exitCode: 5 });
    server.close();
  });

  test('does not wait for ever for a daemon that was suspended', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    const server = createHttpServer();
    const asked = new Promise((resolve) => server.once('request', resolve));
    await listenAt(server);
    const answer = expect(new ControlClient(path).status()).rejects.toThrow('it does not react');
    await asked;
    await vi.advanceTimersByTimeAsync(5000);
    vi.useRealTimers();
    await answer;
    server.close();
  });
});

describe('a server', () => {
  test('does not take the place of another that answers', async () => {
    const first = await serve();
    await expect(serve()).rejects.toMatchObject({ name: 'UserError', exitCode: 5 });
    expect(await new ControlClient(path).status()).toEqual(status);
    await first.close();
  });

  test('survives garbage, half a request and a body that is too large', async () => {
    const server = await serve({ reset: async () => undefined });
    const say = (text: string) =>
      new Promise<string>((resolve) => {
        let answer = '';
        const socket = connect({ path }, () => socket.end(text));
        socket.on('data', (chunk) => {
          answer += chunk;
        });
        socket.on('error', () => undefined);
        socket.on('close', () => resolve(answer));
      });
    expect(await say('\x00\xff garbage\r\n\r\n')).toContain('400');
    await say('POST /reset HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 100\r\n\r\n{');
    expect(await say('POST /nothing HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n')).toContain('unknown request');
    await say(
      `POST /reset HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 200000\r\n\r\n${' '.repeat(200_000)}`,
    );
    expect(await new ControlClient(path).status()).toEqual(status);
    expect(log).toEqual([]);
    await server.close();
  });
});

test('a path that no socket can have is refused, not cut short to that of another vault', () => {
  vi.stubEnv('XDG_RUNTIME_DIR', join(folder, 'x'.repeat(100)));
  expect(() => controlSocketPath('/vault')).toThrow('expected the path of a socket of at most');
});
