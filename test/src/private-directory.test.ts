// The folder of the sockets: made in one that is there, and nobody else's.

import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { UserError } from '../../src/errors.ts';
import { ensurePrivateDirectory, isPrivateDirectory } from '../../src/private-directory.ts';

let base: string;
beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'passfob-private-'));
});
afterEach(() => rmSync(base, { recursive: true }));

test('is made once, for this user only', () => {
  const path = join(base, 'passfob');
  expect(isPrivateDirectory(path)).toBe(false);
  ensurePrivateDirectory(path);
  ensurePrivateDirectory(path);
  expect(statSync(path).mode & 0o777).toBe(0o700);
  expect(isPrivateDirectory(path)).toBe(true);
});

test.each([
  ['is missing', () => join(base, 'none', 'passfob')],
  ['is a file', () => join(base, 'file', 'passfob')],
  ['cannot hold any', () => '/proc/none/passfob'],
])('is refused where the folder that it belongs into %s, with the variable to set', (_, place) => {
  writeFileSync(join(base, 'file'), '');
  const refusal = expect.objectContaining({ hint: expect.stringContaining('XDG_RUNTIME_DIR') });
  expect(() => ensurePrivateDirectory(place())).toThrow(refusal);
});

test('is not looked for under a file without a word about the variable', () => {
  writeFileSync(join(base, 'file'), '');
  expect(() => isPrivateDirectory(join(base, 'file', 'passfob'))).toThrow(UserError);
});
