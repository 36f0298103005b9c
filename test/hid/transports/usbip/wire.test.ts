import { describe, expect, it } from 'vitest';
import {
  encodeDeviceList,
  encodeImported,
  encodeImportRefusal,
  encodeImportRequest,
  encodeSubmitReply,
  encodeUnlinkReply,
  RequestReader,
} from '../../../../hid/transports/usbip/wire.ts';
import { deviceListRequest, importRequest, submitCommand, unlinkCommand } from '../../../support/usbip-client.ts';

const identity = {
  productName: 'A key',
  vendorId: 0x1209,
  productId: 0x0001,
  deviceVersion: 0x0102,
  serialNumber: 'PF1',
};
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
const reader = (...chunks: Uint8Array[]) => {
  const made = new RequestReader();
  for (const chunk of chunks) made.push(chunk);
  return made;
};

// The CTAPHID exchange that the kernel's document of the protocol shows, from Documentation/usb/usbip_protocol.rst.
const documented = {
  submitIn:
    '00000001 00000d05 0001000f 00000001 00000001 00000200 00000040 ffffffff 00000000 00000004 00000000 00000000',
  submitOut:
    '00000001 00000d06 0001000f 00000000 00000001 00000000 00000040 ffffffff 00000000 00000004 00000000 00000000' +
    'ffffffff860008a784ce5ae212376300000000000000000000000000000000000000000000000000000000000000000000000000000000' +
    '000000000000000000',
};
const bytes = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

describe('requests before an import', () => {
  it('ask for the list of devices, or for one of them', () => {
    const requests = reader(Buffer.concat([deviceListRequest, importRequest('1-1')]));
    expect(requests.nextOperation()).toEqual({ kind: 'list' });
    expect(requests.nextOperation()).toEqual({ kind: 'import', busId: '1-1' });
    expect(requests.nextOperation()).toBeUndefined();
    expect(requests.isHalfway).toBe(false);
  });

  it('are read from any pieces', () => {
    const requests = new RequestReader();
    const whole = importRequest('3-2.1');
    for (const byte of whole.subarray(0, -1)) {
      requests.push(Uint8Array.of(byte));
      expect(requests.nextOperation()).toBeUndefined();
      expect(requests.isHalfway).toBe(true);
    }
    requests.push(whole.subarray(-1));
    expect(requests.nextOperation()).toEqual({ kind: 'import', busId: '3-2.1' });
  });

  it('are refused in another version, and with an unknown operation', () => {
    expect(() => reader(bytes('0100 8005 00000000')).nextOperation()).toThrow('expected USB/IP version 0x0111');
    expect(() => reader(bytes('0111 8004 00000000')).nextOperation()).toThrow('got the operation 0x8004');
  });

  it('are written as the kernel and the usbip tools write them', () => {
    expect(hex(encodeImportRequest())).toBe(hex(importRequest('1-1')));
  });
});

describe('commands after an import', () => {
  it('are read as the protocol document shows them', () => {
    const commands = reader(bytes(documented.submitIn), bytes(documented.submitOut));
    expect(commands.nextCommand()).toMatchObject({
      kind: 'submit',
      sequence: 0x0d05,
      endpoint: 1,
      direction: 'in',
      length: 64,
      data: Buffer.alloc(0),
    });
    const out = commands.nextCommand();
    expect(out).toMatchObject({ kind: 'submit', sequence: 0x0d06, endpoint: 1, direction: 'out', length: 64 });
    expect(hex((out?.kind === 'submit' && out.data) || Buffer.of()).slice(0, 22)).toBe('ffffffff860008a784ce5a');
    expect(commands.nextCommand()).toBeUndefined();
  });

  it('carry a setup packet, or take a transfer back', () => {
    const setup = bytes('8006 0001 0000 1200');
    const commands = reader(submitCommand(1, 0, 'in', { setup, length: 18 }), unlinkCommand(2, 1));
    expect(commands.nextCommand()).toMatchObject({ sequence: 1, endpoint: 0, setup, length: 18 });
    expect(commands.nextCommand()).toEqual({ kind: 'unlink', sequence: 2, target: 1 });
  });

  it('wait for the rest of their data', () => {
    const whole = submitCommand(1, 1, 'out', { data: Buffer.alloc(64, 7) });
    const commands = reader(whole.subarray(0, 111));
    expect(commands.nextCommand()).toBeUndefined();
    commands.push(whole.subarray(111));
    expect(commands.nextCommand()).toMatchObject({ data: Buffer.alloc(64, 7) });
  });

  it('are refused if they are unknown, isochronous or too large', () => {
    const unknown = Buffer.alloc(48);
    unknown[3] = 5;
    expect(() => reader(unknown).nextCommand()).toThrow('got the command 0x00000005');
    expect(() => reader(submitCommand(1, 1, 'in', { length: 64, packets: 1 })).nextCommand()).toThrow('isochronous');
    expect(() => reader(submitCommand(1, 1, 'out', { length: 4097 })).nextCommand()).toThrow('at most 4096 bytes');
    expect(() => reader(submitCommand(1, 1, 'out', { length: 0xffffffff })).nextCommand()).toThrow('at most 4096');
  });

  it('may say with 0 that they have no isochronous packets, and ask for more than there is', () => {
    const commands = reader(submitCommand(1, 1, 'in', { length: 0xffffffff, packets: 0 }));
    expect(commands.nextCommand()).toMatchObject({ kind: 'submit', length: 0xffffffff });
  });
});

describe('replies', () => {
  const record = [
    hex(Buffer.from('/sys/devices/passfob/usb1/1-1'.padEnd(256, '\0'))),
    hex(Buffer.from('1-1'.padEnd(32, '\0'))),
    '00000001 00000001 00000002', // bus, device, full speed
    '1209 0001 0102', // vendor, product, version
    '00 00 00 01 01 01', // class, subclass, protocol, configuration, configurations, interfaces
  ]
    .join('')
    .replaceAll(' ', '');

  it('list one full-speed device with one HID interface', () => {
    expect(hex(encodeDeviceList(identity))).toBe(`011100050000000000000001${record}03000000`);
  });

  it('grant an import with the device, and refuse it with a status alone', () => {
    expect(hex(encodeImported(identity))).toBe(`0111000300000000${record}`);
    expect(hex(encodeImportRefusal(2))).toBe('0111000300000002');
  });

  it('complete a transfer with its status, its length and its data', () => {
    const zeros = (words: number) => '00000000'.repeat(words);
    expect(hex(encodeSubmitReply(0x0d05, 0, 2, Uint8Array.of(0xab, 0xcd)))).toBe(
      `0000000300000d05${zeros(3)}0000000000000002${zeros(1)}ffffffff${zeros(3)}abcd`,
    );
    expect(hex(encodeSubmitReply(1, -32, 0))).toBe(
      `0000000300000001${zeros(3)}ffffffe000000000${zeros(1)}ffffffff${zeros(3)}`,
    );
    expect(hex(encodeUnlinkReply(3, -104))).toBe(`0000000400000003${zeros(3)}ffffff98${zeros(6)}`);
  });
});
