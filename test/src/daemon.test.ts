// The daemon's life on a real vault and transports of the test: plugging, unplugging and ending never cross.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { HidTransport } from '../../hid/transport.ts';
import { TransportError } from '../../hid/transport-error.ts';
import { declineAlways } from '../../src/consent/automatic.ts';
import { type Daemon, type DaemonOptions, startDaemon } from '../../src/daemon.ts';
import { createLog } from '../../src/log.ts';
import { createVault, type OpenVault } from '../../store/vault.ts';

let folder: string;
let vault: OpenVault;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'passfob-daemon-'));
  vault = await createVault(join(folder, 'vault'), { passphrase: 'test' }, { scryptLogN: 4 });
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A plug that takes its time, as a kernel does, and keeps book. */
class SlowPlug implements HidTransport {
  readonly name = 'slow';
  readonly events: string[] = [];
  refusal: TransportError | undefined;

  async open(): Promise<void> {
    await new Promise(setImmediate);
    if (this.refusal) throw this.refusal;
    this.events.push('in');
  }

  async close(): Promise<void> {
    await new Promise(setImmediate);
    this.events.push('out');
  }

  closeNow(): void {}
  async send(): Promise<void> {}
}

async function start(
  transport: HidTransport,
  options: Pick<DaemonOptions, 'onExit'> = {},
): Promise<{ daemon: Daemon; failures: Error[] }> {
  const failures: Error[] = [];
  const daemon = await startDaemon({
    vault,
    transports: [transport],
    gate: declineAlways,
    consent: 'never',
    log: createLog('silent', () => undefined),
    onTransportError: (_, error) => failures.push(error),
    ...options,
  });
  return { daemon, failures };
}

test('two replugs at once are two power cycles, one after the other', async () => {
  const plug = new SlowPlug();
  const { daemon } = await start(plug);
  await Promise.all([daemon.replug(), daemon.replug()]);
  expect(plug.events).toEqual(['in', 'out', 'in', 'out', 'in']);
  await daemon.stop();
});

test('a daemon that is stopped while it replugs stays unplugged', async () => {
  const plug = new SlowPlug();
  const { daemon } = await start(plug);
  const replugged = daemon.replug();
  const stopped = daemon.stop();
  await expect(replugged).rejects.toThrow('the daemon is being stopped');
  await stopped;
  expect(plug.events.at(-1)).toBe('out');
  expect(() => vault.device).toThrow('closed');
});

test('a process that dies while a device is being plugged in takes it along', async () => {
  const events: string[] = [];
  let die: () => void = () => expect.fail('nobody is told how to remove the device');
  const plug: HidTransport = {
    name: 'never there',
    async open() {
      events.push('opening');
      die();
      throw new TransportError('io', 'the end');
    },
    close: async () => undefined,
    closeNow: () => void events.push('removed'),
    send: async () => undefined,
  };
  const onExit = (act: () => void) => {
    die = act;
  };
  await expect(start(plug, { onExit })).rejects.toThrow('the end');
  expect(events).toEqual(['opening', 'removed']);
});

test('a key that cannot be plugged in again is a failed device', async () => {
  const plug = new SlowPlug();
  const { daemon, failures } = await start(plug);
  plug.refusal = new TransportError('no-permission', 'permission denied');
  await expect(daemon.replug()).rejects.toMatchObject({ name: 'UserError', exitCode: 7 });
  expect(failures).toEqual([plug.refusal]);
  await daemon.stop();
});
