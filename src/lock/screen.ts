// When the person leaves: the screen is locked, or the machine goes to sleep. systemd-logind tells everybody on the
// system bus, and `gdbus`, which comes with GLib on every desktop, prints it line by line.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Starts what prints logind's signals. Returns how to end it. */
export type StartMonitor = (onLine: (line: string) => void, onEnd: (why: string) => void) => () => void;

/** Before a monitor that has worked and ended is started again, and the longest time between two attempts. */
const retryMs = 1000;
const maxRetryMs = 60_000;

/**
 * Calls `left` with what happened each time that the person leaves, and `onEnd` once if nobody tells, or nobody any
 * more. Returns how to end it.
 */
export function watchScreen(
  left: (why: string) => void,
  onEnd: (why: string) => void,
  start: StartMonitor = startGdbus,
): () => void {
  let hasWorked = false;
  let failures = 0;
  let stop: () => void;
  const watch = () => {
    let works = false;
    stop = start(
      (line) => {
        hasWorked = works = true;
        failures = 0;
        const why = readDeparture(line);
        if (why) left(why);
      },
      (why) => {
        if (!works && ++failures === 1) onEnd(why);
        if (!hasWorked) return;
        const timer = setTimeout(watch, Math.min(retryMs * 2 ** failures, maxRetryMs));
        timer.unref();
        stop = () => clearTimeout(timer);
      },
    );
  };
  watch();
  return () => stop();
}

const session = /^\/org\/freedesktop\/login1\/session\/\S+: /.source;
const departures: readonly (readonly [line: RegExp, why: string])[] = [
  [new RegExp(`${session}org\\.freedesktop\\.login1\\.Session\\.Lock \\(\\)$`), 'the screen was locked'],
  // GNOME and KDE lock by themselves, and tell logind afterwards.
  [
    new RegExp(
      `${session}org\\.freedesktop\\.DBus\\.Properties\\.PropertiesChanged \\('org\\.freedesktop\\.login1\\.Session', \\{.*'LockedHint': <true>`,
    ),
    'the screen was locked',
  ],
  [
    /^\/org\/freedesktop\/login1: org\.freedesktop\.login1\.Manager\.PrepareForSleep \(true,\)$/,
    'the machine went to sleep',
  ],
];

/** What a line of `gdbus monitor` says of the person's leaving, if anything. */
export function readDeparture(line: string): string | undefined {
  return departures.find(([pattern]) => pattern.test(line))?.[1];
}

const startGdbus: StartMonitor = (onLine, onEnd) => {
  const child = spawn('gdbus', ['monitor', '--system', '--dest', 'org.freedesktop.login1'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let isWanted = true;
  const end = (why: string) => {
    process.off('exit', stop);
    if (isWanted) onEnd(why);
    isWanted = false;
  };
  child.once('error', ({ message }) => end(message));
  child.once('close', (code, signal) => end(`gdbus ended with ${code ?? signal}`));
  createInterface({ input: child.stdout }).on('line', onLine);
  // A daemon that has nothing else to do ends.
  child.unref();
  const stop = () => {
    isWanted = false;
    child.kill();
  };
  process.once('exit', stop);
  return () => {
    process.off('exit', stop);
    stop();
  };
};
