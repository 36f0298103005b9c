// docs/transports.md, as far as it can be held against the sources.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const page = readFileSync('docs/transports.md', 'utf8');

test('what it runs as root has the vault of whoever types it, not that of root', () => {
  const asRoot = page.match(/\bsudo\b[^\n`&]*\bpassfob run\b[^\n`]*/g) ?? [];
  expect(asRoot).toHaveLength(2);
  for (const command of asRoot) expect(command).toMatch(/^sudo env HOME="\$HOME" passfob run --transport /);
});

test('the troubles that it quotes are in the words of the program', () => {
  const quoted = [...page.matchAll(/^\| `([^`]+)`(?=[^|]*\|[^|]*\|$)/gm)].map(([, text = '']) => text);
  const troubles = quoted.filter((text) => text.includes(' ') && !text.startsWith('usbip: '));
  const sources = readdirSync('hid', { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => readFileSync(join('hid', name), 'utf8'))
    .join('\n');
  expect(troubles.length).toBeGreaterThanOrEqual(7);
  for (const trouble of troubles) {
    // What the program puts in itself, such as a path, stands before the last colon, or is left out.
    const words = trouble.split(': ').at(-1)?.replace(/…$/, '').trim();
    expect(sources).toContain(words);
  }
});
