// What logind says when a person leaves, as `gdbus monitor` prints it. The lines are as gdbus 2.74 printed them.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
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

describe('the watch', () => {
  const lock = `${session}: org.freedesktop.login1.Session.Lock ()`;
  const [left, ended, stop] = [vi.fn(), vi.fn(), vi.fn()];
  let monitors: Parameters<StartMonitor>[];
  let end: () => void;
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    for (const mock of [left, ended, stop]) mock.mockReset();
    monitors = [];
    end = watchScreen(left, ended, (...handlers) => {
      monitors.push(handlers);
      return stop;
    });
  });
  afterEach(() => vi.useRealTimers());

  /** The monitor that was started last. */
  function monitor() {
    const [onLine, onEnd] = monitors.at(-1) ?? expect.fail('nothing was started');
    return { onLine, onEnd };
  }

  test('tells what happened, and is ended', () => {
    monitor().onLine(`${session}: org.freedesktop.login1.Session.Unlock ()`);
    monitor().onLine(lock);
    expect(left.mock.calls).toEqual([['the screen was locked']]);
    end();
    expect(stop).toHaveBeenCalledOnce();
  });

  test('says once that it cannot be had, and gives up', () => {
    monitor().onEnd('gdbus ended with 1');
    vi.runAllTimers();
    expect(ended.mock.calls).toEqual([['gdbus ended with 1']]);
    expect(monitors).toHaveLength(1);
  });

  test('goes on after an end, if it has worked before', () => {
    monitor().onLine('Monitoring signals from all objects owned by org.freedesktop.login1');
    monitor().onEnd('gdbus ended with SIGKILL');
    vi.advanceTimersByTime(1000);
    expect(monitors).toHaveLength(2);
    monitor().onLine(lock);
    expect(left).toHaveBeenCalledOnce();
    expect(ended).not.toHaveBeenCalled();
  });

  test('says once that it does not come back, and goes on trying, less and less often', () => {
    monitor().onLine('The name org.freedesktop.login1 is owned by :1.0');
    for (const seconds of [1, 2, 4, 8, 16, 32, 60, 60]) {
      monitor().onEnd('gdbus ended with 1');
      const before = monitors.length;
      vi.advanceTimersByTime(seconds * 1000 - 1);
      expect(monitors).toHaveLength(before);
      vi.advanceTimersByTime(1);
      expect(monitors).toHaveLength(before + 1);
    }
    expect(ended.mock.calls).toEqual([['gdbus ended with 1']]);
    monitor().onLine(lock);
    expect(left).toHaveBeenCalledOnce();
    monitor().onEnd('gdbus ended with 1');
    vi.advanceTimersByTime(1000);
    monitor().onEnd('gdbus ended with 2');
    expect(ended.mock.calls).toEqual([['gdbus ended with 1'], ['gdbus ended with 2']]);
  });

  test('that is ended is not begun again', () => {
    monitor().onLine(lock);
    monitor().onEnd('gdbus ended with 1');
    end();
    vi.runAllTimers();
    expect(monitors).toHaveLength(1);
  });
});

test('where there is no gdbus the watch says so once', async () => {
  vi.stubEnv('PATH', '/nonexistent');
  const why = await new Promise<string>((resolve) => watchScreen(() => undefined, resolve));
  vi.unstubAllEnvs();
  expect(why).toContain('ENOENT');
});
