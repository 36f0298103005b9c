// A key on a USB bus as its host has it: where sysfs shows it, what lsusb reads of it, and the ways to pull it out.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, vi } from 'vitest';
import { start, succeed } from './command.ts';

const devices = '/sys/bus/usb/devices';

/** The key's name in sysfs, e.g. `17-1`; waits until it is on a bus. */
export function usbDevice(): Promise<string> {
  return vi.waitFor(
    () => {
      const isOurs = (name: string) => readIfThere(`${devices}/${name}/manufacturer`).trim() === 'passfob';
      return readdirSync(devices).find(isOurs) ?? expect.fail('the key is on no USB bus');
    },
    { timeout: 30_000, interval: 20 },
  );
}

/** What `findDevices` reads of the key's descriptors; a gadget counts its endpoints through, and has another speed. */
export function seenOnUsb(speed: 'full' | 'high', endpointOut: 1 | 2) {
  const endpoint = (endpointNumber: number, direction: 'in' | 'out') => {
    return { endpointNumber, direction, type: 'interrupt', packetSize: 64 };
  };
  return {
    bus: expect.anything(),
    address: expect.any(Number),
    ports: expect.any(Array),
    speed,
    usbVersion: '2.00',
    deviceVersion: '1.00',
    hidInterfaces: [{ number: 0, endpoints: [endpoint(1, 'in'), endpoint(endpointOut, 'out')] }],
  };
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // Interfaces have no such file, and devices go away while we look.
  }
}

/** `pull` resolves when the host has let go of the device, `plug` while it takes it back. */
export interface WayOut {
  pull(): Promise<void>;
  plug(): Promise<void>;
}

/** Ways in which a host loses a USB device, and finds it again. */
export const waysOut = {
  'its port loses power': () => {
    let port = '';
    return {
      pull: async () => {
        const [bus, number] = (await usbDevice()).split('-');
        port = `${devices}/${bus}-0:1.0/usb${bus}-port${number}/disable`;
        writeFileSync(port, '1');
      },
      plug: async () => writeFileSync(port, '0'),
    };
  },
  'its host forbids it': () => {
    let file = '';
    return {
      pull: async () => {
        file = `${devices}/${await usbDevice()}/authorized`;
        writeFileSync(file, '0');
      },
      plug: async () => writeFileSync(file, '1'),
    };
  },
  'its driver lets go': () => {
    const driver = '/sys/bus/usb/drivers/usbhid';
    let device = '';
    return {
      pull: async () => {
        device = `${await usbDevice()}:1.0`;
        writeFileSync(`${driver}/unbind`, device);
      },
      plug: async () => writeFileSync(`${driver}/bind`, device),
    };
  },
  'the bus is reset': () => ({
    pull: async () => {
      const folder = `${devices}/${await usbDevice()}`;
      const number = (name: string) => readFileSync(`${folder}/${name}`, 'utf8').trim().padStart(3, '0');
      await succeed('usbreset', [`${number('busnum')}/${number('devnum')}`]);
    },
    plug: async () => {},
  }),
} as const satisfies Record<string, () => WayOut>;

type Field = readonly [name: string, value: string];

/** Of the Solo 1 key, as its published firmware has it (targets/stm32l432/lib/usbd); without ids and strings. */
export const realKey: readonly Field[] = [
  { bLength: '18', bDescriptorType: '1', bcdUSB: '2.00', bDeviceClass: '0', bDeviceSubClass: '0' },
  { bDeviceProtocol: '0', bMaxPacketSize0: '64', bNumConfigurations: '1' },
  { bLength: '9', bDescriptorType: '2', wTotalLength: '0x0029', bNumInterfaces: '1', bConfigurationValue: '1' },
  { bmAttributes: '0x80', MaxPower: '100mA' },
  { bLength: '9', bDescriptorType: '4', bInterfaceNumber: '0', bAlternateSetting: '0', bNumEndpoints: '2' },
  { bInterfaceClass: '3', bInterfaceSubClass: '0', bInterfaceProtocol: '0' },
  { bLength: '9', bDescriptorType: '33', bcdHID: '1.11', bCountryCode: '0', bNumDescriptors: '1' },
  { bDescriptorType: '34', wDescriptorLength: '34' },
  { bLength: '7', bDescriptorType: '5', bEndpointAddress: '0x81', bmAttributes: '3', wMaxPacketSize: '0x0040' },
  { bInterval: '5' },
  { bLength: '7', bDescriptorType: '5', bEndpointAddress: '0x01', bmAttributes: '3', wMaxPacketSize: '0x0040' },
  { bInterval: '5' },
].flatMap((fields) => Object.entries(fields));

/** What `lsusb -v` prints of the key without complaint: all of it, and the fields that can be compared with `realKey`. */
export async function lsusb(): Promise<{ text: string; fields: Field[] }> {
  const { code, stdout, stderr } = await start('lsusb', ['-v', '-d', '1209:0001']).finished;
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).not.toMatch(/warning|error|can't|couldn't|cannot|bogus|unexpected|unrecognized/i);
  // What a faster or slower bus would make of the device comes after it.
  const [own = ''] = stdout.split('Device Qualifier');
  const fields = [...own.matchAll(/^\s*((?:b|bm|bcd|w)[A-Z]\w*|MaxPower)\s+(\S+)/gm)];
  return {
    text: stdout,
    fields: fields.flatMap(([, name = '', value = '']): Field[] => (name === 'bcdDevice' ? [] : [[name, value]])),
  };
}
