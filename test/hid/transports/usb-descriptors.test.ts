import { expect, it } from 'vitest';
import {
  configurationDescriptor,
  deviceDescriptor,
  stringDescriptor,
} from '../../../hid/transports/usb-descriptors.ts';

const identity = {
  productName: 'A key',
  vendorId: 0x1209,
  productId: 0x0001,
  deviceVersion: 0x0102,
  serialNumber: 'PF1',
};
const hex = (bytes: Uint8Array | undefined) => bytes && Buffer.from(bytes).toString('hex');

it('says in the device descriptor what the key is, and where its strings are', () => {
  expect(hex(deviceDescriptor(identity))).toBe('1201 0002 000000 40 0912 0100 0201 01 02 03 01'.replaceAll(' ', ''));
});

it('has one configuration with one HID interface and an interrupt endpoint of 64 bytes each way', () => {
  expect(hex(configurationDescriptor)).toBe(
    [
      '09 02 2900 01 01 00 80 32',
      '09 04 00 00 02 03 00 00 00',
      '09 21 1101 00 01 22 2200',
      '07 05 81 03 4000 05',
      '07 05 01 03 4000 05',
    ]
      .join('')
      .replaceAll(' ', ''),
  );
});

it('has its strings in UTF-16, in English', () => {
  expect(hex(stringDescriptor(0, identity))).toBe('04030904');
  expect(hex(stringDescriptor(1, identity))).toBe(`1003${Buffer.from('passfob', 'utf16le').toString('hex')}`);
  expect(hex(stringDescriptor(2, identity))).toBe(`0c03${Buffer.from('A key', 'utf16le').toString('hex')}`);
  expect(hex(stringDescriptor(3, identity))).toBe(`0803${Buffer.from('PF1', 'utf16le').toString('hex')}`);
  expect(stringDescriptor(4, identity)).toBeUndefined();
});

it('does not say the manufacturer again in the product', () => {
  const own = { ...identity, productName: 'passfob FIDO2 key' };
  expect(hex(stringDescriptor(2, own))).toBe(`1403${Buffer.from('FIDO2 key', 'utf16le').toString('hex')}`);
});
