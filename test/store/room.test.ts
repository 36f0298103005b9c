// The size of the file: what is made ready for a large change and not needed is given back, and neither a list that is
// read slowly nor a process that was killed makes it grow.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { createVault, type OpenVault, openVault } from '../../store/vault.ts';
import { sampleCredential } from '../support/vault-contract.ts';

const unlock = { keyFile: new Uint8Array(32).fill(7) };
const mebibyte = 1024 * 1024;

let root: string;
let directory: string;
let vault: OpenVault;
beforeEach(async () => {
  root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'passfob-room-'));
  directory = join(root, 'vault');
  vault = await createVault(directory, unlock);
});
afterEach(async () => {
  await vault.close();
  rmSync(root, { recursive: true, force: true });
});

const file = () => join(directory, 'data.mdb');

function put(from: number, to: number): Promise<void> {
  return vault.update((tx) => {
    for (let number = from; number < to; number++) {
      const id = new Uint8Array(32);
      new DataView(id.buffer).setUint32(0, number);
      tx.putCredential(sampleCredential(number % 100, { id, createdAt: number }));
    }
  });
}

it('is what a large import needs, and little more', { timeout: 60_000 }, async () => {
  const other = await openVault(directory, unlock);
  await put(0, 1500);
  const used = readFileSync(file()).findLastIndex((byte) => byte !== 0) + 1;
  expect(used).toBeGreaterThan(mebibyte / 2);
  expect(statSync(file()).size - used).toBeLessThan(mebibyte / 2);
  await setTimeout(0); // LMDB lets go of the state that it read last by a timer.
  expect(other.credentialCount()).toBe(1500);
  await put(1500, 1501);
  await setTimeout(0);
  expect([...other.credentials()]).toHaveLength(1501);
  await other.close();
  await vault.close();
  vault = await openVault(directory, unlock);
  expect(vault.credentialCount()).toBe(1501);
});

describe('beside another process', () => {
  const store = new URL('../../dist/store/', import.meta.url);

  /** Runs `program` with the vault's folder until it prints something. */
  async function start(program: string): Promise<ChildProcess> {
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program, directory], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await once(child.stdout, 'data');
    return child;
  }

  async function kill(child: ChildProcess): Promise<void> {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  async function growth(): Promise<number> {
    const before = statSync(file()).size;
    for (let round = 0; round < 300; round++) await put(round % 50, (round % 50) + 1);
    return statSync(file()).size - before;
  }

  it('does not grow while that has read half a list', { timeout: 60_000 }, async () => {
    await put(0, 100);
    const child = await start(`
      import { openVault } from '${new URL('vault.js', store)}';
      const vault = await openVault(process.argv[1], { keyFile: new Uint8Array(32).fill(7) });
      const list = vault.credentials()[Symbol.iterator]();
      list.next();
      setTimeout(() => console.log('half'), 10);
      setInterval(() => list, 1000);`);
    await put(0, 1);
    expect(await growth()).toBeLessThan(mebibyte);
    await kill(child);
  });

  it('does not grow after that was killed while it read', { timeout: 60_000 }, async () => {
    await put(0, 100);
    const child = await start(`
      import { openDatabase } from '${new URL('database.js', store)}';
      const state = openDatabase(process.argv[1]).database.lmdb.useReadTransaction();
      console.log('reading');
      setInterval(() => state, 1000);`);
    await kill(child);
    expect(await growth()).toBeLessThan(mebibyte);
  });
});
