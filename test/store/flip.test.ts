// One flipped byte in a vault, every 397th of them; test/proof/flip.proof.ts tries them all.

import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectClearErrors, makeGoodVault, usedRanges } from './flip.ts';

let root: string;
beforeAll(async () => {
  root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'passfob-flip-'));
  await makeGoodVault(join(root, 'good'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** Where a node's key of this length begins so, on whatever page. */
function places(start: Uint8Array): number[] {
  const file = readFileSync(join(root, 'good', 'data.mdb'));
  const found: number[] = [];
  for (let at = file.indexOf(start); at >= 0; at = file.indexOf(start, at + 1)) found.push(at);
  return found;
}

describe('a vault with one flipped byte', () => {
  it.each([0x01, 0x40, 0xff])('tells the damage or is unaffected (%i)', { timeout: 120_000 }, async (mask) => {
    const seen = await expectClearErrors({
      good: join(root, 'good'),
      work: join(root, `work-${mask}`),
      ranges: [{ first: mask % 7, step: 397, end: usedRanges(join(root, 'good')).at(-1)?.end ?? 0 }],
      masks: [mask],
    });
    expect(seen).toEqual(new Set(['same', 'damage told', 'VaultError corrupt']));
  });

  it.each([
    ['credential', 33, 0x10],
    ['name of a credential', 17, 0x20],
  ])(
    'is cured by a restore where it is in the key of a %s, or at the beginning of its value',
    {
      timeout: 120_000,
    },
    async (_, keyBytes, prefix) => {
      const seen = await expectClearErrors({
        good: join(root, 'good'),
        work: join(root, `work-${prefix}`),
        ranges: places(Uint8Array.of(keyBytes, 0, prefix)).map((at) => ({
          first: at + 2,
          step: 3,
          end: at + keyBytes + 8,
        })),
        masks: [0x01, 0x40],
      });
      expect(seen).toContain('same');
    },
  );
});
