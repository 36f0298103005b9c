// The key as a USB gadget of this kernel, in a port of the same kernel: dummy_hcd is both ends of the cable.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { CtapHidError } from '../../hid/host/ctaphid-client.ts';
import { findDevices } from '../../hid/host/find-device.ts';
import { openDevice } from '../../hid/host/open-device.ts';
import { ErrorCode } from '../../hid/wire.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { completeExchange, halfExchanges } from './half-exchange.ts';
import { hidrawNodes, untilUnplugged } from './hidraw.ts';
import { heapSize, openFiles, tellingHeap } from './usage.ts';
import { lsusb, realKey, seenOnUsb, usbDevice, type WayOut, waysOut } from './usb-device.ts';
import { makeVault, type Vault } from './vault.ts';

const gadgetFolder = '/sys/kernel/config/usb_gadget';
const gadgets = () => readdirSync(gadgetFolder);

let vault: Vault;
beforeAll(async () => {
  vault = await makeVault();
});

describe('in a port', () => {
  let daemon: Daemon;
  let filesBefore: number | undefined;
  let heapBefore: number | undefined;
  beforeAll(async () => {
    daemon = await startDaemon({ transport: 'gadget', consent: 'scripted', vault, env: tellingHeap });
    await daemon.node();
    await nextExchange();
  });
  afterAll(() => daemon?.stop());

  test('it is to lsusb what a real key is, field by field, but for what the kernel and its bus decide', async () => {
    const { text, fields } = await lsusb();
    expect(fields).toHaveLength(realKey.length);
    const differing = fields.filter(([, value], i) => value !== realKey[i]?.[1]);
    expect(differing).toEqual([
      ['bcdHID', '1.01'],
      ['bInterval', '4'], // at high speed: 1 ms
      ['bEndpointAddress', '0x02'],
      ['bInterval', '4'],
    ]);
    expect(text).toMatch(/iManufacturer +1 passfob$/m);
    expect(text).toMatch(/iProduct +2 FIDO2 key$/m);
    expect(text).toMatch(/iSerial +3 PF[0-9A-F]{8}$/m);
  });

  test('usbhid has it; node-hid and usb see it', async () => {
    const uevent = readFileSync(`/sys/bus/usb/devices/${await usbDevice()}:1.0/uevent`, 'utf8');
    expect(uevent).toMatch(/^DRIVER=usbhid$/m);
    const { path } = await daemon.node();
    const usb = seenOnUsb('high', 2);
    expect(await findDevices()).toMatchObject([
      { path, vendorId: 0x1209, productId: 0x0001, manufacturer: 'passfob', product: 'FIDO2 key', bus: 'usb', usb },
    ]);
  });

  /** How often for each of the six half exchanges: 102 times in all. Some take a new enumeration, and longer. */
  const ways: [reason: string, rounds: number, way: () => WayOut][] = [
    ['its host forbids it', 4, waysOut['its host forbids it']],
    ['its driver lets go', 4, waysOut['its driver lets go']],
    ['the bus is reset', 5, waysOut['the bus is reset']],
    ['its port loses power', 2, waysOut['its port loses power']],
    ['somebody takes its port', 2, takePort],
  ];
  describe.each(ways)('pulled out because %s', (_, rounds, way) => {
    test.each(Object.entries(halfExchanges))('in the middle of %s, it works on', async (kind, begin) => {
      for (let round = 0; round < rounds; round++) {
        const { pull, plug } = way();
        const host = await openDevice(await nodePath());
        await begin(host, daemon);
        await pull();
        // The key has to notice by itself that nobody waits for its answer any longer.
        if (asksPerson.includes(kind)) await daemon.printed(/register.*: cancelled/);
        await plug();
        await host.close();
        await nextExchange();
      }
    });

    // After the first way everything has been used once, and what is kept is kept.
    afterAll(async () => {
      filesBefore ??= openFiles(daemon);
      heapBefore ??= await heapSize(daemon);
    });
  });

  test('and has lost neither file descriptors nor memory', async () => {
    await vi.waitFor(() => expect(openFiles(daemon)).toBeLessThanOrEqual(filesBefore ?? 0));
    expect((await heapSize(daemon)) - (heapBefore ?? 0)).toBeLessThan(2 << 20);
  });
});

describe('at the end of the daemon', () => {
  let daemon: Daemon | undefined;
  afterEach(() => daemon?.stop());

  async function run(env?: NodeJS.ProcessEnv) {
    daemon = await startDaemon({ transport: 'gadget', vault, ...(env && { env }) });
    return { daemon, node: await daemon.node() };
  }

  // Other signals do the same: test/src/process-end.test.ts.
  test('by SIGTERM there is no gadget', async () => {
    const { daemon, node } = await run();
    expect(gadgets()).toHaveLength(1);
    expect(await daemon.end('SIGTERM')).toEqual([0, null]);
    expect(gadgets()).toEqual([]);
    await untilUnplugged(node);
  });

  test('by an uncaught exception there is no gadget', async () => {
    const crash = "process.on('SIGUSR2', () => { throw new Error('a crash, for a test'); });";
    const { daemon, node } = await run({ NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(crash)}` });
    const [code] = await daemon.end('SIGUSR2');
    expect(code).toBeGreaterThan(0);
    expect(gadgets()).toEqual([]);
    await untilUnplugged(node);
  });

  test('by SIGKILL there is a dead one, which the next daemon replaces', async () => {
    const first = await run();
    expect(await first.daemon.end('SIGKILL')).toEqual([null, 'SIGKILL']);
    const left = gadgets();
    expect(left).toEqual([expect.stringMatching(/^passfob-/)]);
    await run();
    expect(gadgets()).toEqual(left);
    await nextExchange();
  });
});

const asksPerson = ['makeCredential that waits for the person', 'keepalive messages'];

/** As an administrator does who needs the port for another gadget for a while. */
function takePort(): WayOut {
  const port = `${gadgetFolder}/${gadgets()[0]}/UDC`;
  const controller = readFileSync(port, 'utf8').trim();
  return { pull: async () => writeFileSync(port, '\n'), plug: async () => writeFileSync(port, controller) };
}

/** The key's device file, as soon as there is one. */
function nodePath(): Promise<string> {
  const find = () => hidrawNodes()[0]?.path ?? expect.fail('the kernel has no key');
  return vi.waitFor(find, { timeout: 30_000, interval: 20 });
}

/** A key that has not heard of the break is busy until it has waited long enough for the rest of a message. */
async function nextExchange(): Promise<void> {
  const host = await openDevice(await nodePath());
  const isBusy = await completeExchange(host).then(
    () => false,
    (error: unknown) => {
      if (error instanceof CtapHidError && error.code === ErrorCode.CHANNEL_BUSY) return true;
      throw error;
    },
  );
  await host.close();
  if (isBusy) await nextExchange();
}
