// LMDB's opening may set the shared number of the last commit back; what was committed must not be lost by it.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createVault, type OpenVault, openVault } from '../../store/vault.ts';
import { sampleCredential } from '../support/vault-contract.ts';

const unlock = { passphrase: 'correct horse' };

let directory: string;
let vault: OpenVault;
beforeEach(async () => {
  directory = join(mkdtempSync(join(tmpdir(), 'passfob-order-')), 'vault');
  vault = await createVault(directory, unlock, { scryptLogN: 1 });
});
afterEach(() => rmSync(join(directory, '..'), { recursive: true, force: true }));

/** What a process does that opens the vault while another commits; it happens elsewhere, since it touches locks. */
function setSharedNumberBack(): void {
  const program = `
    const file = fs.openSync(process.argv[1], 'r+');
    const number = Buffer.alloc(8);
    fs.readSync(file, number, 0, 8, 8);
    number.writeBigUInt64LE(number.readBigUInt64LE() - 1n);
    fs.writeSync(file, number, 0, 8, 8);`;
  execFileSync(process.execPath, ['-e', program, join(directory, 'lock.mdb')]);
}

it('keeps an acknowledged change that another opening made LMDB forget', async () => {
  await vault.update((tx) => tx.putCredential(sampleCredential(1)));
  setSharedNumberBack();
  await vault.update((tx) => tx.putCredential(sampleCredential(2)));
  expect(vault.credential(sampleCredential(1).id)).toEqual(sampleCredential(1));
  await vault.close();
  vault = await openVault(directory, unlock);
  for (const number of [1, 2]) {
    expect(vault.credential(sampleCredential(number).id)).toEqual(sampleCredential(number));
  }
  await vault.close();
});

it('reads the last change after an opening that made LMDB forget it', async () => {
  await vault.update((tx) => tx.putCredential(sampleCredential(1)));
  setSharedNumberBack();
  vault.reserveSignCounts();
  expect(vault.credential(sampleCredential(1).id)).toEqual(sampleCredential(1));
  await vault.close();
});

it('keeps its locks when the same vault is opened and closed a second time in the same process', async () => {
  // Without them another process believes itself alone, and makes the table of readers and the locks in it anew.
  const { ino } = statSync(join(directory, 'lock.mdb'));
  const ours = new RegExp(`POSIX .* ${process.pid} [0-9a-f]+:[0-9a-f]+:${ino} `);
  expect(readFileSync('/proc/locks', 'utf8')).toMatch(ours);
  await (await openVault(directory, unlock)).close();
  expect(readFileSync('/proc/locks', 'utf8')).toMatch(ours);
  await vault.close();
});
