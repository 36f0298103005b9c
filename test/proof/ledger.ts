// What a vault must hold after its processes were killed: all that was acknowledged, and of what was under way either
// the state before or the state after, nothing else.

import type { Credential } from '../../ctap/env.ts';
import type { OpenVault } from '../../store/vault.ts';
// biome-ignore lint/correctness/useImportExtensions: the workers run this very file
import { credentialOf } from './credentials.mjs';

/** A line of a worker: before a change, after its acknowledgement, or a signature count given out. Version 0: deleted. */
export type Line =
  | { readonly intent: string; readonly version: number }
  | { readonly done: string; readonly version: number }
  | { readonly count: number }
  | { readonly rekeyed: true };

export class Ledger {
  readonly #acknowledged = new Map<string, number>();
  readonly #underWay = new Map<string, number>();
  /** By worker: each gives out counts of its own blocks. */
  readonly #lastCounts = new Map<number, number>();
  readonly #counts = new Set<number>();
  acknowledgements = 0;
  rekeyings = 0;

  /** @throws Error if a count was given out before, or is not above the worker's last. */
  take(worker: number, line: Line): void {
    if ('intent' in line) this.#underWay.set(line.intent, line.version);
    else if ('done' in line) {
      this.acknowledgements++;
      this.#acknowledged.set(line.done, line.version);
      this.#underWay.delete(line.done);
    } else if ('rekeyed' in line) {
      this.rekeyings++;
    } else {
      if (this.#counts.has(line.count)) throw new Error(`count ${line.count} was given out twice`);
      const last = this.#lastCounts.get(worker) ?? 0;
      if (line.count <= last) throw new Error(`count ${line.count} came after ${last}`);
      this.#counts.add(line.count);
      this.#lastCounts.set(worker, line.count);
    }
  }

  /** What is wrong with the vault; what was under way is settled from now on. */
  faults(vault: OpenVault): string[] {
    const faults: string[] = [];
    const found = new Map<string, Credential>();
    for (const entry of vault.credentials()) {
      if (entry instanceof Error) faults.push(`a record does not open: ${entry.message}`);
      else found.set(Buffer.from(entry.id).toString('hex'), entry);
    }
    for (const id of new Set([...found.keys(), ...this.#acknowledged.keys(), ...this.#underWay.keys()])) {
      const entry = found.get(id);
      const version = entry?.createdAt ?? 0;
      const allowed = [this.#acknowledged.get(id) ?? 0, this.#underWay.get(id)];
      if (!allowed.includes(version)) faults.push(`${id} has version ${version}, expected ${allowed.join(' or ')}`);
      if (entry && !isWhole(entry, id)) faults.push(`${id} is not as it was written`);
      const single = vault.credential(Buffer.from(id, 'hex'));
      if ((single?.createdAt ?? 0) !== version) faults.push(`${id} is found by one way and not by the other`);
      this.#acknowledged.set(id, version);
    }
    this.#underWay.clear();
    if (vault.credentialCount() !== found.size) {
      faults.push(`the vault counts ${vault.credentialCount()} credentials, and has ${found.size}`);
    }
    const highest = Math.max(0, ...this.#lastCounts.values());
    if (vault.signCount < highest) faults.push(`the count went back to ${vault.signCount} from ${highest}`);
    return faults;
  }
}

function isWhole(credential: Credential, id: string): boolean {
  const expected: Credential = credentialOf(id, credential.createdAt);
  return JSON.stringify(sorted(credential)) === JSON.stringify(sorted(expected));
}

function sorted(value: object): unknown {
  return Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
}
