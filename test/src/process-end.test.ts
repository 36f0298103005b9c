// How a process ends that has a device to take along: small programs on the built code, and signals.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { afterEach, expect, test } from 'vitest';

const builtModule = new URL('../../dist/src/process-end.js', import.meta.url);

/** Stops only when `stdin` ends, as a device that the kernel is slow to let go of. */
const program = `
  import { once } from 'node:events';
  import { writeSync } from 'node:fs';
  import { untilStopped } from ${JSON.stringify(builtModule)};
  const end = untilStopped();
  end.onExit(() => writeSync(1, 'device removed\\n'));
  const closed = once(process.stdin.resume(), 'close');
  console.log('ready');
  await end.stopped;
  console.log('stopping');
  await closed;`;

let child: ChildProcess | undefined;
afterEach(() => child?.kill('SIGKILL'));

async function start() {
  const started = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  child = started;
  const ended = once(started, 'close');
  const lines = createInterface({ input: started.stdout })[Symbol.asyncIterator]();
  const line = async () => (await lines.next()).value;
  expect(await line()).toBe('ready');
  return { process: started, ended, line };
}

test.each(['SIGTERM', 'SIGINT', 'SIGHUP', 'SIGQUIT'] as const)('%s stops it in order', async (signal) => {
  const { process, ended, line } = await start();
  process.kill(signal);
  expect(await line()).toBe('stopping');
  process.stdin.end();
  expect(await line()).toBe('device removed');
  expect(await ended).toEqual([0, null]);
});

test('a signal that a parent passes on once more is the same signal', async () => {
  const { process, ended, line } = await start();
  process.kill('SIGINT');
  process.kill('SIGINT');
  expect(await line()).toBe('stopping');
  process.stdin.end();
  expect(await line()).toBe('device removed');
  expect(await ended).toEqual([0, null]);
});

test.each([
  ['SIGINT', 'SIGINT', 130],
  ['SIGTERM', 'SIGINT', 130],
  ['SIGINT', 'SIGTERM', 143],
] as const)('%s and then %s end it at once, but not without taking the device along', async (first, second, code) => {
  const { process, ended, line } = await start();
  process.kill(first);
  expect(await line()).toBe('stopping');
  // Again and again, since one that comes at once may be the same that somebody passed on.
  const impatience = setInterval(() => process.kill(second), 20);
  expect(await line()).toBe('device removed');
  clearInterval(impatience);
  expect(await ended).toEqual([code, null]);
});
