import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { Pacer } from '../../../hid/transports/pacer.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function paced() {
  const written: (number | undefined)[] = [];
  const pacer = new Pacer(([first]) => written.push(first));
  const send = (from: number, to: number) => {
    for (let i = from; i < to; i++) pacer.send(Uint8Array.of(i));
  };
  return { pacer, written, send };
}
const numbers = (count: number) => Array.from({ length: count }, (_, i) => i);

it('writes a short message at once, and needs no timer for it', () => {
  const { written, send } = paced();
  send(0, 24);
  expect(written).toEqual(numbers(24));
  expect(vi.getTimerCount()).toBe(0);
});

it('never writes more than a reader of hidraw has room for, and keeps the order', () => {
  const { written, send } = paced();
  send(0, 100);
  expect(written).toEqual(numbers(24));
  vi.advanceTimersByTime(2);
  expect(written).toEqual(numbers(48));
  send(100, 129);
  expect(written).toEqual(numbers(48));
  vi.advanceTimersByTime(20);
  expect(written).toEqual(numbers(129));
});

it('starts a new burst after a pause', () => {
  const { written, send } = paced();
  send(0, 20);
  vi.advanceTimersByTime(2);
  send(20, 44);
  expect(written).toEqual(numbers(44));
});

it('keeps two of the longest messages, and drops what comes beyond', () => {
  const { written, send } = paced();
  for (let i = 0; i < 1000; i++) send(i % 100, (i % 100) + 1);
  vi.advanceTimersByTime(100);
  expect(written).toEqual(Array.from({ length: 24 + 2 * 129 }, (_, i) => i % 100));
});

it('forgets what waits when it is stopped', () => {
  const { pacer, written, send } = paced();
  send(0, 100);
  pacer.stop();
  vi.advanceTimersByTime(100);
  expect(written).toEqual(numbers(24));
  expect(vi.getTimerCount()).toBe(0);
});
