// Every byte of a small vault flipped, one after the other, those of a gap at once: a clear error or an unaffected read,
// never a wrong answer, a hang or a dead process; and where a record is damaged, a restore cures it.

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { expectClearErrors, makeGoodVault, usedRanges } from '../store/flip.ts';

let root: string;
beforeAll(async () => {
  root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'passfob-flips-'));
  await makeGoodVault(join(root, 'good'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('a vault with one flipped byte, whichever it is', () => {
  const lanes = [0, 1];
  it.concurrent.each(lanes)('tells the damage or is unaffected (%i)', { timeout: 2_400_000 }, async (lane) => {
    const seen = await expectClearErrors({
      good: join(root, 'good'),
      work: join(root, `work-${lane}`),
      ranges: usedRanges(join(root, 'good')).flatMap((range) =>
        range.isGap ? (lane === 0 ? [range] : []) : [{ ...range, first: range.first + lane, step: lanes.length }],
      ),
      masks: [0x01, 0x40, 0xff],
    });
    expect(seen).toEqual(new Set(['same', 'damage told', 'VaultError corrupt']));
  });
});
