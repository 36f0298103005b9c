// What getInfo tells every program about a key, kept beside the vault in a file of its own, so that a daemon that starts
// locked can answer without asking anybody. No secret, and believed no further than that: docs/security-model.md.

import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { publicPart } from '../../ctap/device-state.ts';
import type { PublicState } from '../../ctap/env.ts';
import type { OpenVault } from '../../store/vault.ts';

const fileName = 'public-state.json';

const isBoolean = (value: unknown): boolean => typeof value === 'boolean';

/** A member that is missing, or of another kind, makes the whole file void. */
const members: Readonly<Record<keyof PublicState, (value: unknown) => boolean>> = {
  hasPin: isBoolean,
  forcePINChange: isBoolean,
  minPINLength: (value) => Number.isInteger(value) && Number(value) >= 4 && Number(value) <= 63,
  pinComplexityPolicy: isBoolean,
  alwaysUv: isBoolean,
  enterpriseAttestation: isBoolean,
  longTouchForReset: isBoolean,
};
const names = Object.keys(members) as (keyof PublicState)[];

/** What was kept last of the vault in `directory`; undefined if nothing was, or nothing that makes sense. */
export function readPublicState(directory: string): PublicState | undefined {
  try {
    const found: unknown = JSON.parse(readFileSync(join(directory, fileName), 'utf8'));
    if (typeof found !== 'object' || found === null) return undefined;
    const given = found as Record<string, unknown>;
    if (!names.every((name) => members[name](given[name]))) return undefined;
    return Object.fromEntries(names.map((name) => [name, given[name]])) as unknown as PublicState;
  } catch {
    return undefined;
  }
}

/** Writes the file if it does not say so already. Where it cannot be written, a locked key asks a little more often. */
export function keepPublicState({ directory, device }: Pick<OpenVault, 'directory' | 'device'>): void {
  const state = publicPart(device);
  const kept = readPublicState(directory);
  if (kept && names.every((name) => kept[name] === state[name])) return;
  const path = join(directory, fileName);
  try {
    writeFileSync(`${path}.new`, `${JSON.stringify(state)}\n`, { mode: 0o600 });
    renameSync(`${path}.new`, path);
  } catch {}
}
