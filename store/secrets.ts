// Secrets in memory, so that they can be overwritten.

/**
 * Moves bytes to where the garbage collector does not copy them about: it does so with arrays of up to 64 bytes, and
 * overwriting one leaves what it was before.
 */
export function pinned(bytes: Uint8Array): Uint8Array {
  const copy = pinnedCopy(bytes);
  bytes.fill(0);
  return copy;
}

export function pinnedCopy(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(new ArrayBuffer(bytes.length));
  copy.set(bytes);
  return copy;
}

/** A copy of plain data, unlike those of `structuredClone`, which writes everything to a buffer in between. */
export function deepCopy<T>(value: T): T;
export function deepCopy(value: unknown): unknown {
  if (value instanceof Uint8Array) return pinnedCopy(value);
  if (Array.isArray(value)) return value.map((each: unknown) => deepCopy(each));
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, deepCopy(member)]));
}

/**
 * What was given to callers, who may still use it: overwritten when the vault is closed. It keeps nothing alive, so what
 * nobody uses any more is left to the garbage collector.
 */
export class GivenOut {
  #secrets: WeakRef<Uint8Array>[] = [];
  #limit = 256;

  add(secrets: readonly Uint8Array[]): void {
    for (const secret of secrets) this.#secrets.push(new WeakRef(secret));
    if (this.#secrets.length < this.#limit) return;
    this.#secrets = this.#secrets.filter((secret) => secret.deref());
    this.#limit = 256 + 2 * this.#secrets.length;
  }

  wipe(): void {
    for (const secret of this.#secrets) secret.deref()?.fill(0);
    this.#secrets = [];
  }
}
