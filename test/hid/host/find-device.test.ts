import { expect, it, vi } from 'vitest';
import { findDevices } from '../../../hid/host/find-device.ts';

const { devicesAsync, getDevices } = vi.hoisted(() => ({ devicesAsync: vi.fn(), getDevices: vi.fn() }));
vi.mock('node-hid', () => ({ default: { devicesAsync } }));
vi.mock('usb', () => ({ usb: { getDevices } }));

const key = {
  path: '/dev/hidraw0',
  vendorId: 0x1209,
  productId: 1,
  serialNumber: 'S-1',
  product: 'Key',
  manufacturer: 'Maker',
  usagePage: 0xf1d0,
  usage: 1,
};
const usbKey = { vendorId: 0x1209, productId: 1, serialNumber: 'S-1', bus: '3', address: 17 };
const found = {
  path: '/dev/hidraw0',
  vendorId: 0x1209,
  productId: 1,
  serialNumber: 'S-1',
  product: 'Key',
  manufacturer: 'Maker',
};

it('finds what has the usage page and usage of FIDO, and nothing else', async () => {
  devicesAsync.mockResolvedValue([{ ...key, usagePage: 1 }, key, { ...key, usage: 2 }, { ...key, path: undefined }]);
  getDevices.mockResolvedValue([]);
  expect(await findDevices()).toEqual([{ ...found, usb: undefined }]);
});

it('adds where a key sits on a real bus, and its version', async () => {
  devicesAsync.mockResolvedValue([key]);
  const version = { deviceVersionMajor: 1, deviceVersionMinor: 2, deviceVersionSubminor: 3 };
  getDevices.mockResolvedValue([
    { ...usbKey, ...version, serialNumber: null, address: 16 },
    { ...usbKey, ...version },
  ]);
  expect(await findDevices()).toEqual([{ ...found, usb: { bus: '3', address: 17, bcdDevice: 0x0123 } }]);
});

it('finds keys also where there is no bus to look at', async () => {
  devicesAsync.mockResolvedValue([key]);
  getDevices.mockRejectedValue(new Error('no bus'));
  expect(await findDevices()).toEqual([{ ...found, usb: undefined }]);
});
