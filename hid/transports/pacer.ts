// Keeps a burst of reports from running over its readers. hidraw holds 63 reports for each reader and drops what comes
// beyond; a real key is slowed down by its bus, a UHID device by nothing. The longest message has 129 reports.

import { maxWaitingReports } from '../transport.ts';

/** Two bursts in a row must fit hidraw's buffer. */
const burstSize = 24;
/** Time for a reader to wake up and empty the buffer. */
const pauseMs = 2;

export class Pacer {
  readonly #write: (bytes: Uint8Array) => void;
  readonly #queue: Uint8Array[] = [];
  #burstStart = Number.NEGATIVE_INFINITY;
  #burstCount = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(write: (bytes: Uint8Array) => void) {
    this.#write = write;
  }

  /** Writes at once, or after those that wait, if not too many do. The order is kept; `bytes` are kept, too. */
  send(bytes: Uint8Array): void {
    if (this.#queue.length === maxWaitingReports) return;
    this.#queue.push(bytes);
    if (this.#timer === undefined) this.#drain();
  }

  /** Forgets what waits. */
  stop(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#queue.length = 0;
  }

  #drain(): void {
    this.#timer = undefined;
    const now = performance.now();
    if (now - this.#burstStart >= pauseMs) {
      this.#burstStart = now;
      this.#burstCount = 0;
    }
    const due = this.#queue.splice(0, burstSize - this.#burstCount);
    this.#burstCount += due.length;
    if (this.#queue.length > 0) this.#timer = setTimeout(() => this.#drain(), pauseMs);
    for (const bytes of due) this.#write(bytes);
  }
}
