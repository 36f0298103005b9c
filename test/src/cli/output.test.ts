// What is printed may hold text from websites: it must neither draw on the terminal nor change for programs.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatJson } from '../../../src/cli/output.ts';

test('JSON holds no character that steers a terminal or turns its direction', () => {
  const name = 'a\u001b[2J\u009b2Jb\u202ec\u{e0001}d\u007f';
  const text = formatJson({ name });
  expect(text.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(JSON.parse(text)).toEqual({ name });
});

test('JSON means the same as ever', () => {
  fc.assert(
    fc.property(fc.jsonValue({ stringUnit: 'binary' }), (value) => {
      expect(JSON.parse(formatJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});
