// A key file that is made anew: whole, private, and still there after a power cut.

import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createKeyFile } from '../../../src/unlock/key-file.ts';

/** What was brought onto the disk, in this order. */
const { synced } = vi.hoisted(() => ({ synced: [] as string[] }));
vi.mock('node:fs', async (importOriginal) => {
  const fs = await importOriginal<typeof import('node:fs')>();
  const fsyncSync = (descriptor: number) => {
    synced.push(fs.fstatSync(descriptor).isDirectory() ? 'folder' : 'file');
    fs.fsyncSync(descriptor);
  };
  return { ...fs, fsyncSync };
});

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'passfob-key-file-'));
  synced.length = 0;
});
afterEach(() => rmSync(folder, { recursive: true }));

test('a new key file is on the disk with its name, for its owner only', () => {
  const path = join(folder, 'key');
  const content = createKeyFile(path);
  expect(synced).toEqual(['file', 'folder']);
  expect(readFileSync(path)).toEqual(Buffer.from(content));
  expect([content.length, statSync(path).mode & 0o777]).toEqual([32, 0o600]);
});

test('a file that is there already stays as it is', () => {
  const path = join(folder, 'key');
  const content = createKeyFile(path);
  expect(() => createKeyFile(path)).toThrow('is there already');
  expect(readFileSync(path)).toEqual(Buffer.from(content));
});
