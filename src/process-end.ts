// How the process ends: in order when it is asked to, at once when it is asked again, and never without taking the device
// away.

import { constants } from 'node:os';

/** SIGINT is Ctrl-C, SIGQUIT Ctrl-\, SIGHUP a terminal that is gone. */
const endingSignals = ['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const;

/** A Ctrl-C reaches everybody in the terminal, and npm passes it on to its child once more. */
const echoMs = 200;

export interface ProcessEnd {
  /** Resolves on the first signal; rejects with what `fail` is given. */
  readonly stopped: Promise<void>;
  fail(error: Error): void;
  /** The last, synchronous act of the process, whatever ends it but SIGKILL. */
  onExit(act: () => void): void;
}

export function untilStopped(): ProcessEnd {
  let fail: (error: Error) => void = () => {};
  const stopped = new Promise<void>((resolve, reject) => {
    fail = reject;
    let first: { readonly signal: NodeJS.Signals; readonly at: number } | undefined;
    const onSignal = (signal: NodeJS.Signals) => {
      const at = performance.now();
      if (first?.signal === signal && at - first.at < echoMs) return;
      if (first) process.exit(128 + constants.signals[signal]);
      first = { signal, at };
      resolve();
    };
    for (const signal of endingSignals) process.on(signal, onSignal);
  });
  // Who waits for `stopped` sees the failure; before that it must not count as unhandled.
  stopped.catch(() => {});
  return { stopped, fail: (error) => fail(error), onExit: (act) => process.on('exit', act) };
}
