// One flipped byte in a vault, every 397th of them; test/proof/flip.proof.ts tries them all.

import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, it } from 'vitest';
import { expectClearErrors, makeGoodVault } from './flip.ts';

let root: string;
beforeAll(async () => {
  root = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'passfob-flip-'));
  await makeGoodVault(join(root, 'good'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('a vault with one flipped byte', () => {
  it.each([0x01, 0x40, 0xff])('tells the damage or is unaffected (%i)', { timeout: 120_000 }, (mask) =>
    expectClearErrors({
      good: join(root, 'good'),
      work: join(root, `work-${mask}`),
      first: mask % 7,
      step: 397,
      masks: [mask],
    }),
  );
});
