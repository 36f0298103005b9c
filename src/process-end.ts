// How the process ends: in order on SIGTERM and SIGINT, and never without taking the device away.

/** Resolves on SIGTERM, SIGINT or SIGHUP; rejects with what `fail` is given. */
export interface ProcessEnd {
  readonly stopped: Promise<void>;
  fail(error: Error): void;
  /** The last, synchronous act of the process, whatever ends it but SIGKILL. */
  onExit(act: () => void): void;
}

export function untilStopped(): ProcessEnd {
  let fail: (error: Error) => void = () => {};
  const stopped = new Promise<void>((resolve, reject) => {
    fail = reject;
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.once(signal, () => resolve());
  });
  // Who waits for `stopped` sees the failure; before that it must not count as unhandled.
  stopped.catch(() => {});
  return { stopped, fail: (error) => fail(error), onExit: (act) => process.on('exit', act) };
}
