// A key on a USB bus as its host has it: where sysfs shows it, what lsusb reads of it, and the ways to pull it out.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { vi } from 'vitest';
import { start, succeed } from './command.ts';

const devices = '/sys/bus/usb/devices';
const patience = { timeout: 30_000, interval: 20 };

/** The key's name in sysfs, e.g. `17-1`; waits until it is on a bus. */
export function usbDevice(): Promise<string> {
  return vi.waitFor(() => {
    const found = readdirSync(devices).find((name) =>
      /^passfob\s*$/.test(readIfThere(`${devices}/${name}/manufacturer`)),
    );
    if (found === undefined) throw new Error('expected the key on a USB bus, but there is none');
    return found;
  }, patience);
}

function readIfThere(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // A root hub has no such file, and devices go away while we look.
  }
}

/** `pull` returns when the kernel has let go of the device, `plug` before it has it back. */
export interface WayOut {
  pull(): Promise<void>;
  plug(): Promise<void>;
}

/** Ways in which a host loses a USB device, and finds it again. */
export const waysOut = {
  /** The cable: the port's power goes off, and the device is made anew. */
  'its port loses power': () => {
    let port = '';
    return {
      async pull() {
        const [hub, number] = (await usbDevice()).split('-');
        port = `${devices}/${hub}-0:1.0/usb${hub}-port${number}/disable`;
        writeFileSync(port, '1');
      },
      plug: async () => writeFileSync(port, '0'),
    };
  },
  'the host closes it': () => {
    let file = '';
    return {
      async pull() {
        file = `${devices}/${await usbDevice()}/authorized`;
        writeFileSync(file, '0');
      },
      plug: async () => writeFileSync(file, '1'),
    };
  },
  /** The device hears nothing of this. */
  'its driver lets go': () => {
    const driver = '/sys/bus/usb/drivers/usbhid';
    let device = '';
    return {
      async pull() {
        device = `${await usbDevice()}:1.0`;
        writeFileSync(`${driver}/unbind`, device);
      },
      plug: async () => writeFileSync(`${driver}/bind`, device),
    };
  },
  'the bus is reset': () => ({
    async pull() {
      const folder = `${devices}/${await usbDevice()}`;
      const number = (name: string) => readFileSync(`${folder}/${name}`, 'utf8').trim().padStart(3, '0');
      await succeed('usbreset', [`${number('busnum')}/${number('devnum')}`]);
    },
    plug: async () => {},
  }),
} as const satisfies Record<string, () => WayOut>;

export type Descriptors = Record<string, Record<string, string>>;

/**
 * A YubiKey 5 with its FIDO interface alone, as lsusb shows it; the strings are left out. The endpoints stand under
 * their direction.
 */
export const realKey: Descriptors = {
  device: {
    bLength: '18',
    bDescriptorType: '1',
    bcdUSB: '2.00',
    bDeviceClass: '0',
    bDeviceSubClass: '0',
    bDeviceProtocol: '0',
    bMaxPacketSize0: '64',
    idVendor: '0x1050',
    idProduct: '0x0402',
    bcdDevice: '5.43',
    iManufacturer: '1',
    iProduct: '2',
    iSerial: '0',
    bNumConfigurations: '1',
  },
  configuration: {
    bLength: '9',
    bDescriptorType: '2',
    wTotalLength: '0x0029',
    bNumInterfaces: '1',
    bConfigurationValue: '1',
    iConfiguration: '0',
    bmAttributes: '0x80',
    MaxPower: '30mA',
  },
  interface: {
    bLength: '9',
    bDescriptorType: '4',
    bInterfaceNumber: '0',
    bAlternateSetting: '0',
    bNumEndpoints: '2',
    bInterfaceClass: '3',
    bInterfaceSubClass: '0',
    bInterfaceProtocol: '0',
    iInterface: '0',
  },
  hid: {
    bLength: '9',
    bDescriptorType: '33 34',
    bcdHID: '1.10',
    bCountryCode: '0',
    bNumDescriptors: '1',
    wDescriptorLength: '34',
  },
  in: endpoint('0x84'),
  out: endpoint('0x04'),
};

function endpoint(bEndpointAddress: string): Record<string, string> {
  const size = { bLength: '7', bDescriptorType: '5' };
  return { ...size, bEndpointAddress, bmAttributes: '3', wMaxPacketSize: '0x0040', bInterval: '2' };
}

const sections: Readonly<Record<string, string>> = {
  'Device Descriptor': 'device',
  'Configuration Descriptor': 'configuration',
  'Interface Descriptor': 'interface',
  'HID Device Descriptor': 'hid',
  'Endpoint Descriptor': 'endpoint',
};

/** What `lsusb -v` reads of the key, and everything that it says beyond descriptors. */
export async function lsusb(vendorAndProduct: string): Promise<{ text: string; descriptors: Descriptors }> {
  const { code, stdout, stderr } = await start('lsusb', ['-v', '-d', vendorAndProduct]).finished;
  if (code !== 0) throw new Error(`lsusb ended with ${code}\n${stderr}`);
  const descriptors: Descriptors = {};
  let section: Record<string, string> = {};
  for (const line of stdout.split('\n')) {
    const [, heading] = /^ *([A-Z][\w ]+?)(?: \(.*\))?:\s*$/.exec(line) ?? [];
    const [, field, value] = /^ *([a-z]\w+|MaxPower) +(\S+)/.exec(line) ?? [];
    if (heading !== undefined) {
      section = {};
      descriptors[sections[heading] ?? heading] ??= section;
    } else if (field !== undefined && value !== undefined) {
      section[field] = section[field] === undefined ? value : `${section[field]} ${value}`;
      if (field === 'bEndpointAddress') descriptors[Number(value) & 0x80 ? 'in' : 'out'] = section;
    }
  }
  return { text: stderr + stdout, descriptors };
}

/** The fields of `found` that are not as in `expected`. */
export function differences(expected: Descriptors, found: Descriptors): Descriptors {
  const differing = Object.entries(expected).map(([name, fields]) => {
    const own = found[name] ?? {};
    const names = [...new Set([...Object.keys(fields), ...Object.keys(own)])];
    return [
      name,
      Object.fromEntries(names.flatMap((key) => (fields[key] === own[key] ? [] : [[key, own[key] ?? 'missing']]))),
    ];
  });
  return Object.fromEntries(differing) as Descriptors;
}
