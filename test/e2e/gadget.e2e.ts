// The key as a USB gadget of this kernel, plugged into a host controller of this kernel: dummy_hcd has both ends.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { type CborValue, encodeCbor } from '../../ctap/cbor.ts';
import { CtapHidClient } from '../../hid/host/ctaphid-client.ts';
import { findDevices } from '../../hid/host/find-device.ts';
import type { HostConnection } from '../../hid/host/host-connection.ts';
import { openDevice } from '../../hid/host/open-device.ts';
import { decodePacket } from '../../hid/packet.ts';
import { Command, KeepaliveStatus } from '../../hid/wire.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { hidrawNodes, untilUnplugged } from './hidraw.ts';
import { differences, lsusb, realKey, usbDevice, type WayOut, waysOut } from './usb-device.ts';
import { makeVault, type Vault } from './vault.ts';

const gadgetFolder = '/sys/kernel/config/usb_gadget';
const gadgets = () => readdirSync(gadgetFolder);

describe('on the bus', () => {
  let daemon: Daemon;
  beforeAll(async () => {
    daemon = await startDaemon({ transport: 'gadget' });
    await daemon.node();
  });
  afterAll(() => daemon?.stop());

  test('it is configured as a real FIDO key is, but for what is its own or the kernel has chosen', async () => {
    const { text, descriptors } = await lsusb('1209:0001');
    expect(text).not.toMatch(/warning|unknown|invalid|cannot|can't|couldn't|error/i);
    expect(differences(realKey, descriptors)).toEqual({
      device: { idVendor: '0x1209', idProduct: '0x0001', bcdDevice: '1.00', iSerial: '3' },
      configuration: { MaxPower: '100mA' },
      interface: { iInterface: '4' },
      hid: { bcdHID: '1.01' },
      in: { bEndpointAddress: '0x81', bInterval: '4' },
      out: { bEndpointAddress: '0x02', bInterval: '4' },
    });
  });

  test('usbhid serves it', async () => {
    const uevent = readFileSync(`/sys/bus/usb/devices/${await usbDevice()}:1.0/uevent`, 'utf8');
    expect(uevent).toMatch(/^DRIVER=usbhid$/m);
  });

  test('node-hid and usb see one and the same key', async () => {
    const { path } = await daemon.node();
    expect(await findDevices()).toMatchObject([
      { path, vendorId: 0x1209, productId: 0x0001, manufacturer: 'passfob', usb: { bcdDevice: 0x0100 } },
    ]);
  });
});

describe('how it ends', () => {
  let vault: Vault;
  let daemon: Daemon | undefined;
  beforeAll(async () => {
    vault = await makeVault();
  });
  afterEach(() => daemon?.stop());

  const run = async (env?: NodeJS.ProcessEnv) => {
    daemon = await startDaemon({ transport: 'gadget', vault, ...(env && { env }) });
    return { daemon, node: await daemon.node() };
  };

  test.each(['SIGTERM', 'SIGINT'] as const)('%s leaves no gadget', async (signal) => {
    const { daemon, node } = await run();
    expect(gadgets()).toHaveLength(1);
    expect(await daemon.end(signal)).toEqual([0, null]);
    expect(gadgets()).toEqual([]);
    await untilUnplugged(node);
  });

  test('an uncaught exception leaves no gadget', async () => {
    const crash = "process.on('SIGUSR2', () => { throw new Error('a crash, for a test'); });";
    const { daemon, node } = await run({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(crash)}` });
    const [code] = await daemon.end('SIGUSR2');
    expect(code).toBeGreaterThan(0);
    expect(gadgets()).toEqual([]);
    await untilUnplugged(node);
  });

  test('SIGKILL leaves a dead one, which the next start replaces', async () => {
    const first = await run();
    expect(await first.daemon.end('SIGKILL')).toEqual([null, 'SIGKILL']);
    const [left] = gadgets();
    expect(left).toMatch(/^passfob-/);
    await run();
    expect(gadgets()).toEqual([left]);
    await expectExchange();
  });
});

/** Four rounds of five exchanges for each of the five ways: a hundred times in all. */
const rounds = 4;

describe('pulled out in the middle', () => {
  let daemon: Daemon;
  let before: ReturnType<typeof usage>;
  beforeAll(async () => {
    daemon = await startDaemon({ transport: 'gadget', consent: 'scripted' });
    await daemon.node();
    await expectExchange();
    before = usage();
  });
  afterAll(() => daemon?.stop());

  const usage = () => ({
    files: readdirSync(`/proc/${daemon.pid}/fd`).length,
    megabytes: Number(/VmRSS:\s*(\d+)/.exec(readFileSync(`/proc/${daemon.pid}/status`, 'utf8'))?.[1]) / 1024,
  });

  describe.each(Object.entries({ ...waysOut, 'somebody takes it from the port': takenFromPort }))(
    'when %s',
    (_, way) => {
      test.each(Object.entries(exchanges))('of %s, the next exchange works', async (_, begin) => {
        for (let round = 0; round < rounds; round++) {
          const { pull, plug } = way();
          const connection = await openDevice(await nodePath());
          const client = await CtapHidClient.connect(connection);
          const exchange = begin(client, connection);
          const isOver = exchange.answer.then(
            () => undefined,
            () => undefined,
          );
          await exchange.isUnderWay;
          await pull();
          if (exchange.asksPerson) await daemon.printed(/register.*: cancelled/);
          await plug();
          await client.close();
          await isOver;
          await expectExchange();
        }
      });
    },
  );

  test('and nothing has leaked', async () => {
    await vi.waitFor(() => expect(usage().files).toBe(before.files), { timeout: 10_000 });
    console.log(`memory: ${before.megabytes.toFixed(1)} MB before, ${usage().megabytes.toFixed(1)} MB after`);
    expect(usage().megabytes - before.megabytes).toBeLessThan(32);
  });
});

interface Exchange {
  /** Rejects, since the key is pulled out, unless it was quick. */
  readonly answer: Promise<unknown>;
  readonly isUnderWay: Promise<unknown>;
  readonly asksPerson?: boolean;
}

const longest = Uint8Array.from({ length: 7609 }, (_, i) => i);

const registration = Uint8Array.of(
  0x01,
  ...encodeCbor(
    new Map<number, CborValue>([
      [1, new Uint8Array(32)],
      [2, new Map([['id', 'example.com']])],
      [
        3,
        new Map<string, CborValue>([
          ['id', Uint8Array.of(1)],
          ['name', 'ada'],
        ]),
      ],
      [
        4,
        [
          new Map<string, CborValue>([
            ['alg', -7],
            ['type', 'public-key'],
          ]),
        ],
      ],
    ]),
  ),
);

/** Kinds of exchanges, and when to pull the key out. */
const exchanges: Record<string, (client: CtapHidClient, connection: HostConnection) => Exchange> = {
  'an INIT': (client) => ({ answer: client.init(), isUnderWay: Promise.resolve() }),
  'a long PING that the host sends': (client) => ({ answer: client.ping(longest), isUnderWay: Promise.resolve() }),
  'an answer in many pieces': (client, connection) => {
    const { channel } = client;
    const isUnderWay = new Promise<void>((resolve) => {
      connection.onReport((report) => {
        const packet = decodePacket(report);
        if (packet.channel === channel && packet.kind !== 'continuation' && packet.command === Command.PING) resolve();
      });
    });
    return { answer: client.ping(longest), isUnderWay };
  },
  'a getInfo': (client) => ({ answer: client.cbor(Uint8Array.of(0x04)), isUnderWay: Promise.resolve() }),
  'a registration that waits for the person': (client) => {
    let onAsked = () => {};
    const isUnderWay = new Promise<void>((resolve) => {
      onAsked = resolve;
    });
    const onKeepalive = (status: number) => {
      if (status === KeepaliveStatus.UPNEEDED) onAsked();
    };
    return { answer: client.cbor(registration, { onKeepalive }), isUnderWay, asksPerson: true };
  },
};

/** As an administrator would: the gadget stays, and its port is free for another for a while. */
function takenFromPort(): WayOut {
  const [gadget = ''] = gadgets();
  const port = `${gadgetFolder}/${gadget}/UDC`;
  const controller = readFileSync(port, 'utf8').trim();
  return { pull: async () => writeFileSync(port, '\n'), plug: async () => writeFileSync(port, controller) };
}

/** The key's device file, as soon as it can be opened. */
function nodePath(): Promise<string> {
  return vi.waitFor(
    () => {
      const [node] = hidrawNodes();
      if (node === undefined) throw new Error('expected the key, but the kernel has none');
      return node.path;
    },
    { timeout: 30_000, interval: 20 },
  );
}

/** What any program would do next with the key. */
async function expectExchange(): Promise<void> {
  const client = await CtapHidClient.connect(await openDevice(await nodePath()));
  expect(await client.ping(longest.subarray(0, 300))).toEqual(longest.subarray(0, 300));
  expect((await client.cbor(Uint8Array.of(0x04)))[0]).toBe(0);
  await client.close();
}
