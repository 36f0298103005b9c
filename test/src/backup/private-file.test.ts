// Files with secrets in them, on a real disk.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { refuseExisting, writePrivateFile } from '../../../src/backup/private-file.ts';

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'passfob-private-'));
  path = join(folder, 'backup.age');
});
afterEach(() => rmSync(folder, { recursive: true }));

const content = Buffer.from('secrets');

test('is whole, its owner alone reads it, and nothing lies beside it', () => {
  writePrivateFile(path, content, false);
  expect(readFileSync(path)).toEqual(content);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect(readdirSync(folder)).toEqual(['backup.age']);
});

test('is not written over, unless forced, and is private then, too', () => {
  writeFileSync(path, 'before', { mode: 0o644 });
  expect(() => refuseExisting(path, false)).toThrow('is there already');
  expect(() => writePrivateFile(path, content, false)).toThrow('is there already');
  expect(readFileSync(path, 'utf8')).toBe('before');
  refuseExisting(path, true);
  writePrivateFile(path, content, true);
  expect(readFileSync(path)).toEqual(content);
  expect(statSync(path).mode & 0o777).toBe(0o600);
});

test('is not called like standard output', () => {
  expect(() => refuseExisting('-', true)).toThrow('expected a file, got "-"');
});

test('leaves what was there if it cannot be written', () => {
  mkdirSync(path);
  writeFileSync(join(path, 'before'), '');
  expect(() => writePrivateFile(path, content, true)).toThrow(`cannot write ${path}`);
  expect(readdirSync(folder)).toEqual(['backup.age']);
  expect(() => writePrivateFile(join(folder, 'none', 'backup.age'), content, false)).toThrow('there is no folder');
  expect(() => refuseExisting(join(folder, 'none', 'backup.age'), true)).toThrow('there is no folder');
});
