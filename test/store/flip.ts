// A small vault, and what becomes of it with one flipped byte: a clear error or an unaffected read, never a wrong answer,
// a hang or a dead process.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect } from 'vitest';
import { createVault } from '../../store/vault.ts';
import { sampleCredential } from '../support/vault-contract.ts';

/** Makes the vault that is going to be damaged. */
export async function makeGoodVault(directory: string): Promise<void> {
  const vault = await createVault(directory, { passphrase: 'correct horse' }, { scryptLogN: 1 });
  const other = new Uint8Array(32).fill(0xbb);
  // One has names so long that its record needs pages of its own.
  const long = { id: Uint8Array.of(4), name: 'long '.repeat(1000) };
  await vault.update((tx) => {
    tx.putCredential(sampleCredential(1));
    tx.putCredential(sampleCredential(2));
    tx.putCredential(sampleCredential(3, { rpIdHash: other }));
    tx.putCredential(sampleCredential(4, { rpIdHash: other, user: long }));
  });
  await vault.update((tx) => tx.deleteCredential(sampleCredential(1).id));
  await vault.update((tx) => tx.putCredential(sampleCredential(1)));
  await vault.close();
}

/** Every `step`th byte from `first` on, before `end`. */
export interface Range {
  readonly first: number;
  readonly step: number;
  readonly end: number;
  /** Its bytes are flipped at once, and one by one only if that is not without effect. */
  readonly isGap?: boolean;
}

/** Zeros at either end of a gap that may be the rest of something. */
const margin = 16;

/**
 * The file as far as pages are in use (behind them there is only room made ahead, all zeros), in ranges of every byte:
 * what is written, and the gaps in between, where a page has room left.
 */
export function usedRanges(directory: string): Range[] {
  const file = readFileSync(join(directory, 'data.mdb'));
  const end = file.findLastIndex((byte) => byte !== 0) + 1;
  const ranges: Range[] = [];
  let first = 0;
  for (const { index, 0: zeros } of file.toString('latin1', 0, end).matchAll(/\0{64,}/g)) {
    const gap = { first: index + margin, step: 1, end: index + zeros.length - margin, isGap: true };
    ranges.push({ first, step: 1, end: gap.first }, gap);
    first = gap.end;
  }
  return [...ranges, { first, step: 1, end }];
}

interface Flips {
  /** Folder of the good vault. */
  readonly good: string;
  /** Folder for the damaged copies; not there yet. */
  readonly work: string;
  readonly ranges: readonly Range[];
  /** What the bytes are flipped with, in turn. */
  readonly masks: readonly number[];
}

/** Tries these bytes in a process of its own, expects nothing but clear errors and cures, and returns what was seen. */
export async function expectClearErrors({ good, work, ranges, masks }: Flips): Promise<Set<string>> {
  const program = new URL('flip-child.mjs', import.meta.url).pathname;
  const child = spawn(process.execPath, [program, good, work, JSON.stringify(ranges), ...masks.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const seen = new Set<string>();
  let last: unknown;
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line);
    last = said;
    if (said.result === undefined) continue;
    expect(said.result, JSON.stringify(said)).not.toMatch(/WRONG|BUG/);
    seen.add(said.result);
  }
  expect([await exited, last]).toEqual([[0, null], expect.objectContaining({ result: expect.anything() })]);
  return seen;
}
