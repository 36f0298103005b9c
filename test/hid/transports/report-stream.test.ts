import fc from 'fast-check';
import { expect, it } from 'vitest';
import { reportReader } from '../../../hid/transports/report-stream.ts';

it('finds the same reports however the stream is cut, and keeps a partial one to itself', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 12 }), (chunks) => {
      const reports: Uint8Array[] = [];
      const read = reportReader((report) => reports.push(report));
      for (const chunk of chunks) read(Buffer.from(chunk));
      const whole = Buffer.concat(chunks);
      expect(reports).toHaveLength(Math.floor(whole.length / 64));
      expect(Buffer.concat(reports).equals(whole.subarray(0, reports.length * 64))).toBe(true);
    }),
  );
});

it('hands out plain bytes, whose slice() is a copy', () => {
  const reports: Uint8Array[] = [];
  reportReader((report) => reports.push(report))(Buffer.alloc(64));
  expect(reports).toStrictEqual([new Uint8Array(64)]);
});
