// What is told of a security key: one of ours on a cable in memory, and some that misbehave.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { CtapHidClient } from '../../../hid/host/ctaphid-client.ts';
import type { FidoDevice } from '../../../hid/host/find-device.ts';
import type { HostConnection } from '../../../hid/host/host-connection.ts';
import { splitMessage } from '../../../hid/packet.ts';
import { TransportError } from '../../../hid/transport-error.ts';
import { LoopbackTransport } from '../../../hid/transports/loopback.ts';
import { broadcastChannel, Capability, Command } from '../../../hid/wire.ts';
import { approveAlways } from '../../../src/consent/automatic.ts';
import { type Daemon, startDaemon } from '../../../src/daemon.ts';
import { reportKey, reportNewKey } from '../../../src/keys/key-report.ts';
import { createLog } from '../../../src/log.ts';
import { CtapClient } from '../../../src/platform/ctap-client.ts';
import { PinClient } from '../../../src/platform/pin-client.ts';
import { createVault } from '../../../store/vault.ts';

const device: FidoDevice = {
  path: '/dev/hidraw0',
  instance: '0003:1209:0001.0001',
  vendorId: 0x1209,
  productId: 1,
  serialNumber: 'S-1',
  product: 'Key',
  manufacturer: undefined,
  bus: 'uhid',
  usb: undefined,
  usbProblem: undefined,
};
const place = {
  name: 'Key',
  manufacturer: null,
  vendorId: 0x1209,
  productId: 1,
  serialNumber: 'S-1',
  bus: 'uhid',
  path: '/dev/hidraw0',
  usb: null,
};
const silent = { versions: null, pin: null, freeSlots: null, transports: null };

/** Answers INIT as a key of before CTAP2 does, and nothing else. */
function u2fKey(): HostConnection {
  let tell: (report: Uint8Array) => void = () => undefined;
  return {
    send(report) {
      const nonce = report.subarray(7, 15);
      const answer = Uint8Array.of(...nonce, ...[0, 0, 0, 1], 2, ...[1, 0, 0], Capability.WINK);
      for (const each of splitMessage(broadcastChannel, Command.INIT, answer)) tell(each);
    },
    onReport: (listener) => {
      tell = listener;
    },
    onClose: () => undefined,
    close: async () => undefined,
  };
}

describe('a key of ours', () => {
  let folder: string;
  let daemon: Daemon;
  let loopback: LoopbackTransport;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'passfob-report-'));
    loopback = new LoopbackTransport();
    daemon = await startDaemon({
      vault: await createVault(join(folder, 'vault'), { passphrase: 'test' }, { scryptLogN: 4 }),
      transports: [loopback],
      gate: approveAlways,
      consent: 'always',
      log: createLog('silent', () => undefined),
      onTransportError: (_, error) => expect.fail(error.message),
    });
  });
  afterEach(async () => {
    await daemon.stop();
    rmSync(folder, { recursive: true });
  });

  const open = async () => loopback.connect();

  test('tells its versions, its room, and that it has no PIN', async () => {
    expect(await reportKey(device, open)).toEqual({
      ...place,
      versions: expect.arrayContaining(['U2F_V2', 'FIDO_2_0', 'FIDO_2_1']),
      pin: { set: false, retries: null, powerCycleNeeded: false },
      freeSlots: expect.any(Number),
      transports: ['usb'],
      problem: null,
    });
  });

  test('tells how many tries its PIN has left', async () => {
    const ctap = new CtapClient(await CtapHidClient.connect(loopback.connect()));
    await new PinClient(ctap, await ctap.getInfo()).setPin('1234');
    const { pin } = await reportKey(device, open);
    expect(pin).toEqual({ set: true, retries: 8, powerCycleNeeded: false });
  });

  test('keeps what it told when only its USB descriptors cannot be read', async () => {
    const { versions, problem } = await reportKey({ ...device, usbProblem: 'no bus' }, open);
    expect(versions).toContain('FIDO_2_0');
    expect(problem?.message).toBe('its USB descriptors cannot be read: no bus');
  });
});

test('a key that cannot be opened is reported with the reason and what helps', async () => {
  const refuse = async () => {
    throw new TransportError('no-permission', 'no permission to open /dev/hidraw0', { hint: 'a udev rule' });
  };
  expect(await reportKey(device, refuse)).toEqual({
    ...place,
    ...silent,
    problem: { message: 'no permission to open /dev/hidraw0', hint: 'a udev rule' },
  });
});

test('a key that knows only U2F is not asked for more', async () => {
  expect(await reportKey(device, async () => u2fKey())).toEqual({
    ...place,
    ...silent,
    versions: ['U2F_V2'],
    problem: null,
  });
});

test('a key that is pulled out while it is asked is reported, and its connection closed', async () => {
  const close = vi.fn(async () => undefined);
  const pulledOut = async (): Promise<HostConnection> => ({
    send: async () => Promise.reject(new Error('gone')),
    onReport: () => undefined,
    onClose: () => undefined,
    close,
  });
  expect((await reportKey(device, pulledOut)).problem).toEqual({ message: 'gone', hint: null });
  expect(close).toHaveBeenCalledTimes(1);
});

describe('a key that says for ever that it is busy', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  const channel = 9;
  /** Gives out a channel, and on that answers nothing but keepalive messages, until it is closed. */
  function busyKey(close: () => Promise<void>): HostConnection {
    let tell: (report: Uint8Array) => void = () => undefined;
    let isClosed = false;
    return {
      send(report) {
        if (report[4] === (0x80 | Command.INIT)) {
          const answer = Uint8Array.of(
            ...report.subarray(7, 15),
            ...[0, 0, 0, channel],
            2,
            ...[1, 0, 0],
            Capability.CBOR,
          );
          for (const each of splitMessage(broadcastChannel, Command.INIT, answer)) tell(each);
        } else {
          const [keepalive = report] = splitMessage(channel, Command.KEEPALIVE, Uint8Array.of(1));
          setInterval(() => !isClosed && tell(keepalive), 50);
        }
      },
      onReport: (listener) => {
        tell = listener;
      },
      onClose: () => undefined,
      close: () => {
        isClosed = true;
        return close();
      },
    };
  }

  test.each([
    ['is given up and closed', async () => undefined],
    ['is given up, even if it cannot be closed', () => new Promise<void>(() => undefined)],
  ])('%s after five seconds, with the reason', async (_, howToClose) => {
    const close = vi.fn(howToClose);
    const report = reportKey(device, async () => busyKey(close));
    await vi.advanceTimersByTimeAsync(5000);
    expect(close).toHaveBeenCalled();
    expect(await report).toEqual({
      ...place,
      ...silent,
      problem: {
        message: 'the key is busy and told nothing of itself for 5 seconds',
        hint: 'pull it out and plug it in again',
      },
    });
  });
});

describe('a key that has just come', () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test('is asked again until it may be opened', async () => {
    const open = vi.fn(async () => u2fKey());
    open.mockRejectedValueOnce(new TransportError('no-permission', 'not yet'));
    const report = reportNewKey(device, open);
    await vi.runAllTimersAsync();
    expect(await report).toMatchObject({ versions: ['U2F_V2'], problem: null });
  });

  test('is given up if it never may', async () => {
    const open = vi.fn().mockRejectedValue(new TransportError('no-permission', 'never'));
    const report = reportNewKey(device, open);
    await vi.runAllTimersAsync();
    expect(await report).toMatchObject({ problem: { message: 'never' } });
    expect(open).toHaveBeenCalledTimes(8);
  });

  test('is not asked again for any other reason', async () => {
    const open = vi.fn().mockRejectedValue(new TransportError('no-device', 'gone'));
    await reportNewKey(device, open);
    expect(open).toHaveBeenCalledTimes(1);
  });
});
