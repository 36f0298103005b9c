// That `age`, and not only passfob, opens a backup and a sealed export, and that passfob opens what `age` seals.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openAge, sealAge } from '../../src/backup/age.ts';
import { succeed } from '../e2e/command.ts';
import { typeOnTerminal } from '../support/terminal.ts';
import { lacks } from './lacks.ts';

let folder: string;
const file = (name: string) => join(folder, name);
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'passfob-age-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const document = Buffer.from('{ "format": "passfob-backup" }\n');

describe.skipIf(lacks('age', 'age-keygen', 'script'))('age', () => {
  test('opens a backup under a passphrase, typed on a terminal', async () => {
    writeFileSync(file('backup.age'), await sealAge(document, { passphrase: 'on paper' }));
    await typeOnTerminal(`age -d -o ${file('opened')} ${file('backup.age')}`, [['Enter passphrase: ', 'on paper']]);
    expect(await succeed('cat', [file('opened')])).toBe(document.toString());
  });

  test('opens a backup for a recipient, and seals one that passfob opens', async () => {
    await succeed('age-keygen', ['-o', file('key.txt')]);
    const recipient = (await succeed('age-keygen', ['-y', file('key.txt')])).trim();
    writeFileSync(file('recipient.age'), await sealAge(document, { recipients: [recipient] }));
    expect(await succeed('age', ['-d', '-i', file('key.txt'), file('recipient.age')])).toBe(document.toString());

    writeFileSync(file('plain'), document);
    await succeed('age', ['-r', recipient, '-a', '-o', file('theirs.age'), file('plain')]);
    const identities = [(await succeed('grep', ['SECRET', file('key.txt')])).trim()];
    const theirs = Buffer.from(await succeed('cat', [file('theirs.age')]));
    expect(Buffer.from(await openAge(theirs, { identities }))).toEqual(document);
  });
});
