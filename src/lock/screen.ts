// When the person leaves: the screen is locked, or the machine goes to sleep. systemd-logind tells everybody on the
// system bus, and `gdbus`, which comes with GLib on every desktop, prints it line by line.

import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Starts what prints logind's signals. Returns how to end it. */
export type StartMonitor = (onLine: (line: string) => void, onEnd: (why: string) => void) => () => void;

/**
 * Calls `left` with what happened each time that the person leaves, and `onEnd` once if nobody tells any more.
 * Returns how to end it.
 */
export function watchScreen(
  left: (why: string) => void,
  onEnd: (why: string) => void,
  start: StartMonitor = startGdbus,
): () => void {
  return start((line) => {
    const why = readDeparture(line);
    if (why) left(why);
  }, onEnd);
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
    if (isWanted) onEnd(why);
    isWanted = false;
  };
  child.once('error', ({ message }) => end(message));
  child.once('exit', (code, signal) => end(`gdbus ended with ${code ?? signal}`));
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
