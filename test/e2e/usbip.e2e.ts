// The key as a USB device, over USB/IP: what the kernel, its tools and libraries make of it, and how it stands being
// unplugged a hundred times in the middle of everything.

import { realpathSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, onTestFailed, test, vi } from 'vitest';
import { findDevices } from '../../hid/host/find-device.ts';
import { openDevice } from '../../hid/host/open-device.ts';
import { attachToVhci } from '../../hid/transports/usbip/vhci.ts';
import { UsbIpMachine } from '../support/usbip-machine.ts';
import { start, succeed } from './command.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { completeExchange, halfExchanges } from './half-exchange.ts';
import { untilUnplugged } from './hidraw.ts';
import { heapSize, openFiles, tellingHeap } from './usage.ts';
import { lsusb, realKey, seenOnUsb } from './usb-device.ts';
import { makeVault, type Vault } from './vault.ts';

const address = { kind: 'usbip', host: '127.0.0.1', port: 3240 } as const;
const vhci = '/sys/devices/platform/vhci_hcd.0';
const kinds = Object.entries(halfExchanges);

let vault: Vault;
beforeAll(async () => {
  vault = await makeVault();
});

describe('attached by the daemon itself', () => {
  let daemon: Daemon;
  beforeAll(async () => {
    daemon = await startDaemon({ transport: 'usbip', consent: 'scripted', vault });
  });
  afterAll(() => daemon?.stop());

  test('it is to lsusb what a real key is, field by field, and gives no cause for complaint', async () => {
    const { text, fields } = await lsusb();
    expect(fields).toEqual(realKey);
    expect(text).toMatch(/iManufacturer +1 passfob$/m);
    expect(text).toMatch(/iProduct +2 FIDO2 key$/m);
    expect(text).toMatch(/iSerial +3 PF[0-9A-F]{8}$/m);
  });

  test('usbhid has it; node-hid and usb see it', async () => {
    const { path } = await daemon.node();
    const hidDevice = `/sys/class/hidraw/${basename(path)}/device`;
    expect(basename(realpathSync(`${realpathSync(hidDevice)}/../driver`))).toBe('usbhid');
    expect(await findDevices()).toMatchObject([
      {
        path,
        vendorId: 0x1209,
        productId: 0x0001,
        manufacturer: 'passfob',
        product: 'FIDO2 key',
        serialNumber: expect.stringMatching(/^PF/),
        bus: 'usbip',
        usb: seenOnUsb('full', 1),
      },
    ]);
  });

  test('the documented command lets a user who is not root attach devices', async () => {
    const files = [`${vhci}/attach`, `${vhci}/detach`];
    const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', 'test', '-w'];
    expect((await start('setpriv', [...nobody, files[0] ?? '']).finished).code).toBe(1);
    const command = `modprobe -n vhci-hcd; chown $SUDO_UID ${files.join(' ')}`;
    await succeed('sh', ['-c', command], { env: { ...process.env, SUDO_UID: '65534' } });
    for (const file of files) await succeed('setpriv', [...nobody, file]);
  });

  test.each(kinds)('%s is broken off by detaching, and by a replug: the next exchange works', async (_, begin) => {
    const node = await daemon.node();
    onTestFailed(() => daemon.control.replug()); // for the next test to find the key plugged in
    await begin(await openDevice(node.path), daemon);
    writeFileSync(`${vhci}/detach`, '0');
    await untilUnplugged(node);
    // The kernel is done with the key before the daemon has heard of it.
    const attachment = await vi.waitFor(() => attachToVhci(address), { timeout: 10_000 });
    await attachment.untilBound();

    const again = await openDevice((await daemon.node()).path);
    await completeExchange(again);
    await begin(again, daemon);
    await daemon.control.replug();
    const last = await openDevice((await daemon.node()).path);
    await completeExchange(last);
    await last.close();
  });

  test('it is gone when the daemon is killed', async () => {
    const node = await daemon.node();
    expect(await daemon.end('SIGKILL')).toEqual([null, 'SIGKILL']);
    await untilUnplugged(node);
  });
});

describe('served over TCP', () => {
  let daemon: Daemon;
  beforeAll(async () => {
    daemon = await startDaemon({ transport: ['--transport', 'usbip'], consent: 'scripted', vault, env: tellingHeap });
  });
  afterAll(() => daemon?.stop());
  afterEach(() => succeed('udevadm', ['settle', '--timeout=30']));

  test("Debian's usbip lists, attaches and detaches it", async () => {
    expect(await succeed('usbip', ['list', '-r', '127.0.0.1'])).toMatch(/^ +1-1: .*\(1209:0001\)$/m);
    await succeed('usbip', ['attach', '-r', '127.0.0.1', '-b', '1-1']);
    const node = await daemon.node();
    expect(await succeed('fido2-token', ['-I', node.path])).toMatch(/^version strings:.*FIDO_2_0/m);
    expect(await succeed('usbip', ['port'])).toMatch(/Port 00: <Port in Use> at Full Speed/);

    const second = await start('usbip', ['attach', '-r', '127.0.0.1', '-b', '1-1']).finished;
    expect(second.code).not.toBe(0);
    expect(second.stderr).toMatch(/busy/i);
    await succeed('usbip', ['detach', '-p', '0']);
    await untilUnplugged(node);
  });

  test('unplugged 88 times more, it loses neither file descriptors nor memory', async () => {
    const unplugOnce = async (round: number) => {
      const [, begin] = kinds[round % kinds.length] ?? expect.fail('no exchange');
      const machine = await UsbIpMachine.plugIn(address);
      await begin(machine.program(), daemon);
      await machine.unplug();
      const next = await UsbIpMachine.plugIn(address);
      await completeExchange(next.program());
      await next.unplug();
    };

    for (let round = 0; round < 28; round++) await unplugOnce(round);
    const [filesBefore, heapBefore] = [openFiles(daemon), await heapSize(daemon)];
    for (let round = 28; round < 88; round++) await unplugOnce(round);
    await vi.waitFor(() => expect(openFiles(daemon)).toBeLessThanOrEqual(filesBefore));
    expect((await heapSize(daemon)) - heapBefore).toBeLessThan(2 << 20);
  });
});
