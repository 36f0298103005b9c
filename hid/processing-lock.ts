// The right to have a request processed. One authenticator has one, shared by all its devices: the person who is
// asked can answer one question at a time.

export class ProcessingLock {
  #taken = false;

  get isTaken(): boolean {
    return this.#taken;
  }

  /** Takes the lock; false if somebody has it already. */
  tryTake(): boolean {
    if (this.#taken) return false;
    this.#taken = true;
    return true;
  }

  release(): void {
    this.#taken = false;
  }
}
