// Cuts a stream of bytes into 64-byte reports.

import { reportSize } from '../transport.ts';

/** Returns a listener for the stream's chunks. Each report is handed on by itself; a partial one waits for its rest. */
export function reportReader(onReport: (report: Uint8Array) => void): (chunk: Uint8Array) => void {
  let rest: Uint8Array = new Uint8Array(0);
  return (chunk) => {
    let bytes = chunk;
    if (rest.length > 0) {
      bytes = new Uint8Array(rest.length + chunk.length);
      bytes.set(rest);
      bytes.set(chunk, rest.length);
    }
    let offset = 0;
    for (; offset + reportSize <= bytes.length; offset += reportSize) {
      // A plain Uint8Array, since Buffer's slice() does not copy; the chunk is ours, so its bytes need no copy either.
      onReport(new Uint8Array(bytes.buffer, bytes.byteOffset + offset, reportSize));
    }
    rest = bytes.subarray(offset);
  };
}
