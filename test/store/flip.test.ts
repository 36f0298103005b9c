// One flipped byte anywhere in a small vault: a clear error or an unaffected read, never a wrong answer, a hang or a
// dead process. Every 397th byte here; FLIP_STEP=1 tries them all (minutes).

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createVault } from '../../store/vault.ts';
import { sampleCredential } from '../support/vault-contract.ts';

const child = new URL('flip-child.mjs', import.meta.url).pathname;
const step = Number(process.env['FLIP_STEP'] ?? 397);

let root: string;
beforeAll(async () => {
  root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'passfob-flip-'));
  const vault = await createVault(join(root, 'good'), { passphrase: 'correct horse' }, { scryptLogN: 1 });
  const other = new Uint8Array(32).fill(0xbb);
  // One has names so long that its record needs pages of its own.
  const long = { id: Uint8Array.of(4), name: 'long '.repeat(1000) };
  for (const credential of [
    sampleCredential(1),
    sampleCredential(2),
    sampleCredential(3, { rpIdHash: other }),
    sampleCredential(4, { rpIdHash: other, user: long }),
  ]) {
    await vault.update((tx) => tx.putCredential(credential));
  }
  await vault.update((tx) => tx.deleteCredential(sampleCredential(1).id));
  await vault.update((tx) => tx.putCredential(sampleCredential(1)));
  await vault.close();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('a vault with one flipped byte', () => {
  for (const mask of [0x01, 0x40, 0xff]) {
    it(`tells the damage or is unaffected (0x${mask.toString(16).padStart(2, '0')})`, { timeout: 1_200_000 }, () => {
      const work = join(root, `work-${mask}`);
      const run = spawnSync(process.execPath, [child, join(root, 'good'), work, `${mask % 7}`, `${step}`, `${mask}`], {
        encoding: 'utf8',
        maxBuffer: 1 << 28,
        timeout: 1_100_000,
      });
      const lines = run.stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line));
      const last = lines.at(-1);
      expect([run.signal, run.status, run.stderr, last]).toEqual([
        null,
        0,
        '',
        expect.objectContaining({ result: expect.anything() }),
      ]);
      const results = lines.filter(({ result }) => result !== undefined);
      const tally: Record<string, number> = {};
      for (const { result } of results) tally[result] = (tally[result] ?? 0) + 1;
      if (step === 1) console.log(tally);
      expect(results.filter(({ result }) => /WRONG|BUG/.test(result))).toEqual([]);
      expect(new Set(['same', 'damage told', 'VaultError corrupt'])).toEqual(new Set(Object.keys(tally)));
    });
  }
});
