import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Assembly, decodePacket, splitMessage } from '../../hid/packet.ts';
import { fidoReportDescriptor } from '../../hid/transport.ts';
import { maxMessageSize } from '../../hid/wire.ts';

/** Puts reports together again, as a receiver would. */
function assemble(reports: readonly Uint8Array[]): Assembly {
  const [first, ...rest] = reports.map(decodePacket);
  if (first?.kind !== 'init') throw new Error('expected an initialization packet first');
  const assembly = new Assembly(first);
  for (const packet of rest) {
    expect(assembly.isComplete).toBe(false);
    if (packet.kind !== 'continuation') throw new Error('expected continuation packets behind the first');
    expect(assembly.append(packet)).toBe(true);
  }
  return assembly;
}

describe('splitMessage', () => {
  it('writes channel, command with bit 7, length and data, and fills up with zeros', () => {
    const [report, ...more] = splitMessage(0x01020304, 0x01, Uint8Array.of(0xaa, 0xbb));
    expect(more).toEqual([]);
    expect(Buffer.from(report ?? []).toString('hex')).toBe(`01020304810002aabb${'00'.repeat(55)}`);
  });

  it('writes channel, sequence number and 59 bytes into each continuation packet', () => {
    const payload = Uint8Array.from({ length: 57 + 59 + 1 }, (_, i) => i);
    const reports = splitMessage(0xfffffffe, 0x10, payload).map((report) => Buffer.from(report).toString('hex'));
    const hex = Buffer.from(payload).toString('hex');
    expect(reports).toEqual([
      `fffffffe900075${hex.slice(0, 114)}`,
      `fffffffe00${hex.slice(114, 232)}`,
      `fffffffe01${hex.slice(232)}${'00'.repeat(58)}`,
    ]);
  });

  it.each([
    [0, 1],
    [57, 1],
    [58, 2],
    [116, 2],
    [117, 3],
    [7609, 129],
  ])('needs for %i bytes %i reports', (length, count) => {
    expect(splitMessage(1, 1, new Uint8Array(length))).toHaveLength(count);
  });

  it('refuses 7610 bytes', () => {
    expect(() => splitMessage(1, 1, new Uint8Array(7610))).toThrow(
      new RangeError('expected a message of at most 7609 bytes, got 7610'),
    );
  });

  it('is undone by Assembly for every length', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 0xffffffff }),
        fc.integer({ min: 0, max: 0x7f }),
        fc.uint8Array({ minLength: 0, maxLength: maxMessageSize, size: 'max' }),
        (channel, command, payload) => {
          const assembly = assemble(splitMessage(channel, command, payload));
          expect(assembly.isComplete).toBe(true);
          expect(assembly.channel).toBe(channel);
          expect(assembly.command).toBe(command);
          expect(Buffer.compare(assembly.payload, payload)).toBe(0);
        },
      ),
    );
  });
});

describe('Assembly', () => {
  it.each([0, 2, 127])('refuses sequence number %i as the second', (sequence) => {
    const [first, second, third] = splitMessage(1, 1, new Uint8Array(200)).map(decodePacket);
    if (first?.kind !== 'init' || second?.kind !== 'continuation' || third?.kind !== 'continuation') expect.fail();
    const assembly = new Assembly(first);
    expect(assembly.append(second)).toBe(true);
    expect(assembly.append({ ...third, sequence })).toBe(false);
    expect(assembly.append(third)).toBe(true);
  });
});

describe('fidoReportDescriptor', () => {
  it('has usage page F1D0, usage 1 and 64 bytes both ways (HID-22)', () => {
    expect(Buffer.from(fidoReportDescriptor).toString('hex')).toBe(
      '06d0f10901a1010920150026ff007508954081020921150026ff00750895409102c0',
    );
  });
});
