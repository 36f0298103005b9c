// A vault that can be closed and opened again under an authenticator that goes on. While it is locked nothing of it is
// in memory; only what getInfo tells every program can still be read, from a file.

import { publicPart } from '../../ctap/device-state.ts';
import type { Credential, DeviceState, PublicState, RelyingParty, VaultTransaction } from '../../ctap/env.ts';
import {
  type CheckReport,
  type NewSlot,
  type OpenVault,
  type RekeyOptions,
  type RekeyReport,
  type SlotInfo,
  type SlotOptions,
  type Unlock,
  VaultError,
} from '../../store/vault.ts';
import { keepPublicState, readPublicState } from './public-state.ts';

export class LockableVault implements OpenVault {
  readonly directory: string;
  #vault: OpenVault | undefined;
  #lastUsedAt = performance.now();

  /** @param opened without it the vault is locked. */
  constructor(directory: string, opened?: OpenVault) {
    this.directory = directory;
    if (opened) this.unlock(opened);
  }

  get isLocked(): boolean {
    return this.#vault === undefined;
  }

  get publicState(): PublicState | undefined {
    return this.#vault ? undefined : readPublicState(this.directory);
  }

  /** When credentials were last read or anything was changed, as `performance.now()` tells the time. */
  get lastUsedAt(): number {
    return this.#lastUsedAt;
  }

  /** Goes on with the same vault, opened anew. */
  unlock(opened: OpenVault): void {
    this.#vault = opened;
    this.#lastUsedAt = performance.now();
    try {
      keepPublicState(opened);
      // Now, so that the first sign-in does not wait for the disk.
      opened.reserveSignCounts();
    } catch (error) {
      // Neither is needed yet. On a full disk, or of damaged records, whoever needs them is told.
      if (!(error instanceof VaultError)) throw error;
    }
  }

  /** Closes the vault, whose keys are wiped; from now on it throws. */
  async lock(): Promise<void> {
    const vault = this.#vault;
    this.#vault = undefined;
    await vault?.close();
  }

  get device(): DeviceState {
    return this.#opened.device;
  }

  get signCount(): number {
    return this.#opened.signCount;
  }

  credential(id: Uint8Array): Credential | undefined {
    return this.#used.credential(id);
  }

  credentialsOf(rpIdHash: Uint8Array): readonly Credential[] {
    return this.#used.credentialsOf(rpIdHash);
  }

  /** @throws VaultError `locked` also where the vault is locked while they are read. */
  *credentials(): Iterable<Credential | VaultError> {
    const vault = this.#used;
    for (const entry of vault.credentials()) {
      yield entry;
      if (this.#vault !== vault) throw lockedError();
    }
  }

  credentialCount(): number {
    return this.#opened.credentialCount();
  }

  relyingParties(): readonly RelyingParty[] {
    return this.#used.relyingParties();
  }

  nextSignCount(): number {
    return this.#used.nextSignCount();
  }

  reserveSignCounts(): void {
    this.#opened.reserveSignCounts();
  }

  opensWith(unlock: Unlock): Promise<boolean> {
    return this.#opened.opensWith(unlock);
  }

  slots(): readonly SlotInfo[] {
    return this.#opened.slots();
  }

  get openedWith(): string {
    return this.#opened.openedWith;
  }

  addSlot(newSlot: NewSlot, options?: SlotOptions): Promise<SlotInfo> {
    return this.#opened.addSlot(newSlot, options);
  }

  removeSlot(id: string): void {
    this.#opened.removeSlot(id);
  }

  rekey(options?: RekeyOptions): Promise<RekeyReport> {
    return this.#opened.rekey(options);
  }

  check(): Promise<CheckReport> {
    return this.#used.check();
  }

  dropDamaged(records: readonly string[]): Promise<number> {
    return this.#used.dropDamaged(records);
  }

  async update(change: (tx: VaultTransaction) => void): Promise<void> {
    const vault = this.#used;
    const before = publicPart(vault.device);
    await vault.update(change);
    if (!this.#vault) return;
    const after = publicPart(vault.device);
    if (JSON.stringify(before) !== JSON.stringify(after)) keepPublicState(vault);
  }

  close(): Promise<void> {
    return this.lock();
  }

  /** What browsers ask of every key, on any page, is read from here: it is no use. */
  get #opened(): OpenVault {
    if (this.#vault) return this.#vault;
    throw lockedError();
  }

  get #used(): OpenVault {
    this.#lastUsedAt = performance.now();
    return this.#opened;
  }
}

function lockedError(): VaultError {
  return new VaultError('locked', 'the vault is locked', { hint: 'open it with `passfob unlock`' });
}
