// The document in a backup.

import { expect, test } from 'vitest';
import { type Backup, decodeBackup, encodeBackup } from '../../../src/backup/backup-file.ts';

const backup: Backup = { createdAt: '2026-11-23T10:15:00.000Z', syncedIdKeys: ['AAAA'], credentials: [] };

const encode = (value: unknown) => Buffer.from(JSON.stringify(value));

test('says what it is, in the same order each time', () => {
  expect(Buffer.from(encodeBackup(backup)).toString()).toBe(`{
  "format": "passfob-backup",
  "formatVersion": 1,
  "createdAt": "2026-11-23T10:15:00.000Z",
  "syncedIdKeys": [
    "AAAA"
  ],
  "credentials": []
}
`);
  expect(decodeBackup(encodeBackup(backup))).toMatchObject(backup);
});

test.each([
  [encode({ ...backup, format: 'passfob-backup', formatVersion: 2 }), 'expected a backup of version 1, got version 2'],
  [encode({ ...backup, format: 'passfob-backup' }), 'formatVersion: expected a whole number from 0, got nothing'],
  [encode({ format: 'passfob-backup', formatVersion: 1 }), 'createdAt: expected a date'],
  [encode({ format: 'passfob-dump' }), 'this is a dump, which is not read back'],
  [encode({ format: 'another' }), 'expected a passfob backup, got something else'],
  [encode([]), 'expected a passfob backup, got something else'],
  [encodeBackup(backup).subarray(0, 40), 'the file is not JSON, or is cut short'],
])('is refused otherwise', (plaintext, message) => {
  expect(() => decodeBackup(plaintext)).toThrow(message);
});
