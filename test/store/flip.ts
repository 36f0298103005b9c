// A small vault, and what becomes of it with one flipped byte: a clear error or an unaffected read, never a wrong answer,
// a hang or a dead process.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
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

interface Flips {
  /** Folder of the good vault. */
  readonly good: string;
  /** Folder for the damaged copies; not there yet. */
  readonly work: string;
  readonly first: number;
  readonly step: number;
  /** What the bytes are flipped with, in turn. */
  readonly masks: readonly number[];
}

/** Tries every `step`th byte from `first` on, in a process of its own, and expects nothing but clear errors. */
export async function expectClearErrors({ good, work, first, step, masks }: Flips): Promise<void> {
  const program = new URL('flip-child.mjs', import.meta.url).pathname;
  const child = spawn(process.execPath, [program, good, work, `${first}`, `${step}`, ...masks.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  const seen = new Set<string>();
  let last: unknown;
  for await (const line of createInterface({ input: child.stdout })) {
    const said = JSON.parse(line);
    last = said;
    if (said.result === undefined) continue;
    expect(said).not.toMatchObject({ result: expect.stringMatching(/WRONG|BUG/) });
    seen.add(said.result);
  }
  expect([await exited, last]).toEqual([[0, null], expect.objectContaining({ result: expect.anything() })]);
  expect(seen).toEqual(new Set(['same', 'damage told', 'VaultError corrupt']));
}
