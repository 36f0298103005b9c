import { PassThrough } from 'node:stream';
import { expect, it } from 'vitest';
import { progressBar } from '../../../src/cli/progress-bar.ts';

function drawn(isTTY: boolean): string {
  const output = Object.assign(new PassThrough(), { isTTY });
  const bar = progressBar(output);
  for (const done of [0, 1, 500, 501, 1000]) bar.show(done, 1000);
  bar.show(0, 0);
  bar.clear();
  bar.clear();
  return String(output.read() ?? '');
}

it('draws each change of one line, and removes it', () => {
  const [none, half, full] = ['.'.repeat(30), `${'#'.repeat(15)}${'.'.repeat(15)}`, '#'.repeat(30)];
  expect(drawn(true)).toBe(`\r[${none}] 0 %\r[${half}] 50 %\r[${full}] 100 %\r\x1b[K`);
});

it('draws nothing where there is no terminal', () => {
  expect(drawn(false)).toBe('');
});
