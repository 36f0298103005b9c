// What a killed process and a full disk leave behind.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { createVault, openVault } from '../../store/vault.ts';

const unlock = { passphrase: 'correct horse' };
const child = (name: string) => new URL(name, import.meta.url).pathname;

let root: string;
let directory: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'passfob-crash-'));
  directory = join(root, 'vault');
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function id(number: number): Uint8Array {
  const bytes = new Uint8Array(32);
  new DataView(bytes.buffer).setUint32(0, number);
  return bytes;
}

it('loses nothing that was acknowledged and repeats no count when its process is killed, 20 times', {
  timeout: 120_000,
}, async () => {
  await (await createVault(directory, unlock, { scryptLogN: 4 })).close();
  const registered = new Set<number>();
  const deleted = new Set<number>();
  const uncertain = new Set<number>();
  let lastCount = 0;
  for (let round = 0; round < 20; round++) {
    const victim = spawn(process.execPath, [child('crash-child.mjs'), directory, `${round * 100_000}`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let lines = 0;
    const killAfter = 20 + 37 * round;
    for await (const line of createInterface({ input: victim.stdout })) {
      const said = JSON.parse(line);
      if (said.registered !== undefined) registered.add(said.registered);
      if (said.deleting !== undefined) uncertain.add(said.deleting);
      if (said.deleted !== undefined) deleted.add(said.deleted);
      if (said.count !== undefined) {
        expect(said.count).toBeGreaterThan(lastCount);
        lastCount = said.count;
      }
      if (++lines === killAfter) victim.kill('SIGKILL');
    }
    const vault = await openVault(directory, unlock);
    const missing = [...registered].filter((number) => !uncertain.has(number) && !vault.credential(id(number)));
    expect(missing).toEqual([]);
    expect([...deleted].filter((number) => vault.credential(id(number)))).toEqual([]);
    expect([...vault.credentials()].filter((entry) => entry instanceof Error)).toEqual([]);
    expect(vault.signCount).toBeGreaterThanOrEqual(lastCount);
    await vault.close();
  }
  expect(registered.size).toBeGreaterThan(100);
});

it('refuses an update that has no room, and keeps every one before', { timeout: 60_000 }, () => {
  // A limit on the size of files stands for a disk that is full; it needs no rights.
  const run = spawnSync(
    'sh',
    ['-c', 'ulimit -f 4096; exec "$0" "$@"', process.execPath, child('disk-child.mjs'), directory],
    {
      encoding: 'utf8',
    },
  );
  expect(run.stderr).toBe('');
  expect(JSON.parse(run.stdout)).toEqual({ refusal: 'full', again: 'full', isComplete: true, isKept: true });
});
