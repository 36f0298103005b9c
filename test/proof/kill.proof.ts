// A vault whose processes are killed at random moments of concurrent registrations, renamings, sign-ins, deletions
// and rekeyings: no acknowledged write lost, no signature count repeated or lower, and the vault opens at once each time.
// PASSFOB_KILLS and PASSFOB_SEED choose how many and which moments.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createVault, openVault } from '../../store/vault.ts';
// biome-ignore lint/correctness/useImportExtensions: the workers run this very file
import { numbers } from './credentials.mjs';
import { Ledger, type Line } from './ledger.ts';

const kills = Number(process.env['PASSFOB_KILLS'] ?? 504);
const seed = Number(process.env['PASSFOB_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const unlock = { passphrase: 'correct horse' };
const lanes = [1, 2, 3, 4];
const workers = [1, 2];

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'passfob-kill-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe(`vaults whose processes are killed (seed ${seed})`, () => {
  it.concurrent.each(lanes)('lose nothing (%i)', { timeout: 1_200_000 }, async (lane) => {
    const random = numbers(seed + lane);
    const directory = join(root, `vault-${lane}`);
    await (await createVault(directory, unlock, { scryptLogN: 4 })).close();
    const ledger = new Ledger();
    for (let round = 0; round < kills / lanes.length / workers.length; round++) {
      await Promise.all(
        workers.map(async (worker) => {
          const victim = startWorker(directory, worker, round, random(2 ** 32));
          for await (const line of untilKilled(victim, random(8) === 0 ? 0 : random(400))) ledger.take(worker, line);
        }),
      );
      const vault = await openVault(directory, unlock);
      expect(ledger.faults(vault), `round ${round}`).toEqual([]);
      await vault.close();
    }
    expect(ledger.acknowledgements).toBeGreaterThan(kills / 2);
    expect(ledger.rekeyings).toBeGreaterThan(0);
  });
});

function startWorker(directory: string, worker: number, round: number, seedOfRound: number): ChildProcess {
  const program = new URL('worker.mjs', import.meta.url).pathname;
  return spawn(process.execPath, [program, directory, `${worker}`, `${round}`, `${seedOfRound}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

/** What a worker says until it is dead; it is killed after some lines, or while it starts. */
async function* untilKilled(victim: ChildProcess, afterLines: number): AsyncGenerator<Line> {
  const exited = once(victim, 'exit');
  if (afterLines === 0) victim.kill('SIGKILL');
  let lines = 0;
  for await (const line of createInterface({ input: victim.stdout ?? process.stdin })) {
    if (++lines === afterLines) victim.kill('SIGKILL');
    yield JSON.parse(line);
  }
  expect(await exited).toEqual([null, 'SIGKILL']);
}
