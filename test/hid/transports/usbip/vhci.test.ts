// Attaching to the kernel, on a sysfs made of plain files. The kernel itself is in test/e2e/usbip.e2e.ts.

import { accessSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { attachToVhci, readPorts } from '../../../../hid/transports/usbip/vhci.ts';
import { UsbIpTransport } from '../../../../hid/transports/usbip.ts';
import { UsbIpClient } from '../../../support/usbip-client.ts';

vi.mock('node:fs', async (importActual) => {
  const actual = await importActual<typeof import('node:fs')>();
  return { ...actual, accessSync: vi.fn(actual.accessSync) };
});

const identity = {
  productName: 'A key',
  vendorId: 0x1209,
  productId: 0x0001,
  deviceVersion: 0x0100,
  serialNumber: 'PF1',
};
const header = 'hub port sta spd dev      sockfd local_busid\n';
const taken = 'hs  0000 006 002 00010001 000024 1-1\n';
const free = 'hs  0001 004 000 00000000 000000 0-0\n';
const freeSuperSpeed = 'ss  0008 004 000 00000000 000000 0-0\n';

let root: string;
let controller: string;
let transport: UsbIpTransport;

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'passfob-vhci-'));
  controller = join(root, 'sys/devices/platform/vhci_hcd.0');
  mkdirSync(controller, { recursive: true });
  writeFileSync(join(controller, 'attach'), '');
  writeFileSync(join(controller, 'status'), header + taken + free + freeSuperSpeed);
  transport = new UsbIpTransport({ kind: 'usbip', host: '127.0.0.1', port: 0 }, identity);
  await transport.open(
    () => {},
    () => {},
  );
});
afterEach(async () => {
  await transport.close();
  rmSync(root, { recursive: true });
});

it('reads which ports there are, their speed, state and device', () => {
  expect(readPorts(header + taken + freeSuperSpeed)).toEqual([
    { port: 0, isHighSpeed: true, state: 6, busId: '1-1' },
    { port: 8, isHighSpeed: false, state: 4, busId: '0-0' },
  ]);
});

it('hands a connection that has the device over to the first free port for full speed', async () => {
  await attachToVhci(transport.address, root);
  expect(readFileSync(join(controller, 'attach'), 'utf8')).toMatch(/^1 \d+ 65537 2$/);
});

it('detaches the port that it took', async () => {
  const attachment = await attachToVhci(transport.address, root);
  attachment.detachNow();
  expect(readFileSync(join(controller, 'detach'), 'utf8')).toBe('1');
  writeFileSync(join(controller, 'status'), header + free);
  await attachment.detach();
});

it('is bound when the port has a device, and the device a file that programs can open', async () => {
  const attachment = await attachToVhci(transport.address, root);
  mkdirSync(join(root, 'sys/bus/usb/devices/1-2/1-2:1.0/0003:1209:0001.0001/hidraw/hidraw7'), { recursive: true });
  mkdirSync(join(root, 'dev'));
  writeFileSync(join(root, 'dev/hidraw7'), '');
  writeFileSync(join(controller, 'status'), `${header}${taken}hs  0001 006 002 00010001 000025 1-2\n`);
  await attachment.untilBound();
});

it('finds free ports of further controllers', async () => {
  writeFileSync(join(controller, 'status'), header + taken);
  writeFileSync(join(controller, 'status.1'), `${header}hs  0016 004 000 00000000 000000 0-0\n`);
  await attachToVhci(transport.address, root);
  expect(readFileSync(join(controller, 'attach'), 'utf8')).toMatch(/^16 /);
});

it('says what is missing without vhci-hcd, and how to get it', async () => {
  rmSync(controller, { recursive: true });
  await expect(attachToVhci(transport.address, root)).rejects.toMatchObject({
    code: 'no-device',
    message: 'cannot attach the key: the kernel module vhci-hcd is not loaded',
    hint: expect.stringContaining('modprobe vhci-hcd'),
  });
});

it.each([
  ['EROFS', 'no-permission', 'cannot attach the key: /sys is read-only here', 'attach on the host'],
  ['EPERM', 'no-permission', 'cannot attach the key: /sys is read-only here', 'attach on the host'],
  ['EACCES', 'no-permission', /^cannot attach the key: permission denied on .*attach$/, 'chown'],
  ['EIO', 'io', 'cannot attach the key: refused', undefined],
])('says what is in the way if the kernel says %s', async (code, problem, message, hint) => {
  vi.mocked(accessSync).mockImplementationOnce(() => {
    throw Object.assign(new Error('refused'), { code });
  });
  const refused = expect(attachToVhci(transport.address, root)).rejects;
  await refused.toThrow(message);
  await refused.toMatchObject({ code: problem, hint: hint && expect.stringContaining(hint) });
});

it('says so if all ports are taken, and lets go of the device', async () => {
  writeFileSync(join(controller, 'status'), header + taken + freeSuperSpeed);
  await expect(attachToVhci(transport.address, root)).rejects.toMatchObject({ code: 'in-use' });
  const client = await UsbIpClient.connect(transport.address);
  await expect.poll(async () => (await client.import()).status).toBe(0);
  await client.close();
});

it('says so if another host has the device', async () => {
  const client = await UsbIpClient.connect(transport.address);
  await client.import();
  await expect(attachToVhci(transport.address, root)).rejects.toMatchObject({
    code: 'in-use',
    message: 'cannot attach the key: another host has it',
  });
  await client.close();
});
