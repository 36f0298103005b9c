// What logind says when a person leaves, as `gdbus monitor` prints it. The lines are as gdbus 2.74 printed them.

import { expect, test, vi } from 'vitest';
import { readDeparture, type StartMonitor, watchScreen } from '../../../src/lock/screen.ts';

const session = '/org/freedesktop/login1/session/_32';
const changed = (content: string, object = session) =>
  `${object}: org.freedesktop.DBus.Properties.PropertiesChanged (${content}, @as [])`;

test.each([
  [`${session}: org.freedesktop.login1.Session.Lock ()`, 'the screen was locked'],
  [changed("'org.freedesktop.login1.Session', {'LockedHint': <true>}"), 'the screen was locked'],
  [changed("'org.freedesktop.login1.Session', {'IdleHint': <true>, 'LockedHint': <true>}"), 'the screen was locked'],
  ['/org/freedesktop/login1: org.freedesktop.login1.Manager.PrepareForSleep (true,)', 'the machine went to sleep'],
])('%s means that %s', (line, why) => expect(readDeparture(line)).toBe(why));

test.each([
  'Monitoring signals from all objects owned by org.freedesktop.login1',
  'The name org.freedesktop.login1 is owned by :1.0',
  `${session}: org.freedesktop.login1.Session.Unlock ()`,
  '/org/freedesktop/login1: org.freedesktop.login1.Manager.PrepareForSleep (false,)',
  '/org/freedesktop/login1: org.freedesktop.login1.Manager.PrepareForShutdown (true,)',
  changed("'org.freedesktop.login1.Session', {'IdleHint': <true>, 'LockedHint': <false>}"),
  changed(`'org.freedesktop.login1.User', {'State': <"LockedHint': <true> x">}`, '/org/freedesktop/login1/user/_1000'),
  '',
])('%j means nothing', (line) => expect(readDeparture(line)).toBeUndefined());

test('the watch tells what happened, once that nobody tells any more, and is ended', () => {
  const [left, ended, stop] = [vi.fn(), vi.fn(), vi.fn()];
  let monitor: Parameters<StartMonitor> | undefined;
  const end = watchScreen(left, ended, (...handlers) => {
    monitor = handlers;
    return stop;
  });
  const [onLine, onEnd] = monitor ?? expect.fail('nothing was started');
  onLine(`${session}: org.freedesktop.login1.Session.Unlock ()`);
  onLine(`${session}: org.freedesktop.login1.Session.Lock ()`);
  expect(left.mock.calls).toEqual([['the screen was locked']]);
  onEnd('gdbus ended with 1');
  expect(ended.mock.calls).toEqual([['gdbus ended with 1']]);
  end();
  expect(stop).toHaveBeenCalledOnce();
});

test('where there is no gdbus the watch says so once', async () => {
  vi.stubEnv('PATH', '/nonexistent');
  const why = await new Promise<string>((resolve) => watchScreen(() => undefined, resolve));
  vi.unstubAllEnvs();
  expect(why).toContain('ENOENT');
});
