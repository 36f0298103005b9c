// Vectors: written by hand from `struct uhid_event` in Linux's include/uapi/linux/uhid.h (packed, little-endian).

import { describe, expect, it } from 'vitest';
import { fidoReportDescriptor } from '../../../hid/transport.ts';
import {
  decodeUhidEvent,
  encodeCreate2,
  encodeDestroy,
  encodeInput2,
  encodeRefusal,
  uhidEventSize,
} from '../../../hid/transports/uhid-event.ts';
import { report } from './contract.ts';

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const padded = (start: string, size: number) => start.padEnd(2 * size, '0');

/** An event of full size with the given bytes at the given places. */
function event(parts: Record<number, string>): Uint8Array {
  const bytes = Buffer.alloc(uhidEventSize);
  for (const [offset, text] of Object.entries(parts)) bytes.write(text, Number(offset), 'hex');
  return bytes;
}

const identity = {
  productName: 'Key',
  vendorId: 0x1209,
  productId: 0xabcd,
  deviceVersion: 0x0123,
  serialNumber: 'S-1',
};

describe('encodeCreate2', () => {
  it('writes name, phys, uniq, sizes, bus, ids and the report descriptor', () => {
    expect(hex(encodeCreate2(identity, fidoReportDescriptor))).toBe(
      [
        '0b000000', // UHID_CREATE2
        padded('4b6579', 128), // name
        padded('', 64), // phys
        padded('532d31', 64), // uniq
        '2200', // rd_size: 34
        '0300', // bus: BUS_USB
        '09120000', // vendor
        'cdab0000', // product
        '23010000', // version
        '00000000', // country
        hex(fidoReportDescriptor), // rd_data
      ].join(''),
    );
  });

  it('cuts what is too long, with a zero at the end', () => {
    const long = encodeCreate2({ ...identity, productName: 'n'.repeat(500), serialNumber: 's'.repeat(500) }, report(0));
    expect(hex(long.subarray(4, 132))).toBe(`${'6e'.repeat(127)}00`);
    expect(hex(long.subarray(196, 260))).toBe(`${'73'.repeat(63)}00`);
  });
});

it('encodeInput2 writes the size and the 64 bytes, without a report number', () => {
  expect(hex(encodeInput2(report(1)))).toBe(`0c0000004000${hex(report(1))}`);
});

it('encodeDestroy writes the type alone', () => {
  expect(hex(encodeDestroy())).toBe('01000000');
});

it('encodeRefusal answers GET_REPORT with its id, EIO and no data', () => {
  expect(hex(encodeRefusal({ kind: 'get-report', id: 0x01020304 }))).toBe('0a0000000403020105000000');
});

it('encodeRefusal answers SET_REPORT with its id and EIO', () => {
  expect(hex(encodeRefusal({ kind: 'set-report', id: 0x01020304 }))).toBe('0e000000040302010500');
});

describe('decodeUhidEvent', () => {
  it.each([
    ['02000000', 'start'],
    ['03000000', 'stop'],
    ['04000000', 'open'],
    ['05000000', 'close'],
    ['07000000', 'other'],
    ['ffffffff', 'other'],
  ])('reads type %s as %s', (type, kind) => {
    expect(decodeUhidEvent(event({ 0: type }))).toEqual({ kind });
  });

  it('takes the report number off an output of 65 bytes', () => {
    const output = event({ 0: '06000000', 4: `00${hex(report(1))}`, 4100: '4100', 4102: '01' });
    expect(decodeUhidEvent(output)).toEqual({ kind: 'output', report: report(1) });
  });

  it('takes an output of 64 bytes as it is', () => {
    const output = event({ 0: '06000000', 4: hex(report(1)), 4100: '4000', 4102: '01' });
    expect(decodeUhidEvent(output)).toEqual({ kind: 'output', report: report(1) });
  });

  it('hands out a copy, since the buffer is read into again', () => {
    const output = event({ 0: '06000000', 4: hex(report(1)), 4100: '4000' });
    const decoded = decodeUhidEvent(output);
    output.fill(0);
    expect(decoded).toEqual({ kind: 'output', report: report(1) });
  });

  it.each(['0000', '3f00', '4200', '0010', 'ffff'])('leaves an output of size %s alone', (size) => {
    expect(decodeUhidEvent(event({ 0: '06000000', 4100: size }))).toEqual({ kind: 'other' });
  });

  it('reads the id of GET_REPORT and SET_REPORT', () => {
    expect(decodeUhidEvent(event({ 0: '09000000', 4: '04030201' }))).toEqual({ kind: 'get-report', id: 0x01020304 });
    expect(decodeUhidEvent(event({ 0: '0d000000', 4: '04030201' }))).toEqual({ kind: 'set-report', id: 0x01020304 });
  });
});
