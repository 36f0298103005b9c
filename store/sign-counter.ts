// Signature counts, reserved on the disk in blocks before any of a block is given out: a sign-in writes nothing, and
// after a crash the count goes on behind the block, never back.

import { VaultError } from './vault-error.ts';

const blockSize = 1000;
const maxSignCount = 0xffff_ffff;

/** The one number that is stored: the highest count that may have been given out. */
export interface Reservation {
  read(): number;
  /** Durable replacement in one transaction; `change` gets the stored number and returns the new one. */
  change(change: (before: number) => number): { readonly before: number; readonly after: number };
}

export class SignCounter {
  readonly #reservation: Reservation;
  /** The last count given out, and the last that may be given out without asking the disk. */
  #last = 0;
  #end = 0;
  #refill: NodeJS.Immediate | undefined;

  constructor(reservation: Reservation) {
    this.#reservation = reservation;
  }

  /** The last count given out here; before the first, the highest that may have been given out before. */
  get current(): number {
    return this.#last > 0 ? this.#last : this.#reservation.read();
  }

  /**
   * The next count, 1 to 2^32 - 1.
   * @throws VaultError `full` when there is none left, and what reserving throws.
   */
  next(): number {
    if (this.#last === this.#end) this.reserve();
    else if (this.#end - this.#last < blockSize / 2) this.#reserveSoon();
    return ++this.#last;
  }

  /** Reserves a block now, so that the first sign-in does not wait for the disk. */
  reserve(): void {
    const reserved = this.#reservation.change((before) => {
      if (before >= maxSignCount) throw new VaultError('full', 'the signature counter is at its end', { hint });
      return Math.min(before + blockSize, maxSignCount);
    });
    // What another process reserved meanwhile lies between our blocks: we go on behind it.
    if (reserved.before !== this.#end) this.#last = reserved.before;
    this.#end = reserved.after;
  }

  /** Gives back what was not used, if nothing was reserved behind it; afterwards no count may be taken. */
  release(): void {
    clearImmediate(this.#refill);
    if (this.#end === 0) return;
    const end = this.#end;
    this.#end = this.#last;
    this.#reservation.change((reserved) => (reserved === end ? this.#last : reserved));
  }

  #reserveSoon(): void {
    this.#refill ??= setImmediate(() => {
      this.#refill = undefined;
      try {
        this.reserve();
      } catch {
        // The block is not used up yet; when it is, `next` tries again and tells.
      }
    });
  }
}

const hint = 'make a new vault and register it with your accounts';
