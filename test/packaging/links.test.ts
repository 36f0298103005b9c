// The pages of the package: whatever they link to in it is in it.

import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { expect, test } from 'vitest';

const root = new URL('../..', import.meta.url).pathname;

function packedFiles(): string[] {
  const output = execFileSync('npm', ['pack', '--dry-run', '--json', '--ignore-scripts'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ files }] = JSON.parse(output.toString()) as [{ files: { path: string }[] }];
  return files.map(({ path }) => path);
}

test('no page of the package links to a file that is not packed', () => {
  const packed = packedFiles();
  const pages = packed.filter((path) => path.endsWith('.md'));
  expect(pages).toContain('docs/cli.md');
  const missing = pages.flatMap((page) => {
    const targets = [...readFileSync(join(root, page), 'utf8').matchAll(/\]\((?!https?:|#)([^)#]+)/g)];
    return targets
      .map(([, target = '']) => posix.join(posix.dirname(page), target))
      .filter((target) => !packed.includes(target))
      .map((target) => `${page}: ${target}`);
  });
  expect(missing).toEqual([]);
});
