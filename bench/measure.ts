// Figures from repeated calls: median and 99th percentile, in microseconds.

export interface Figure {
  readonly median: number;
  readonly p99: number;
}

/** Calls `act` `count` times after a tenth as many that do not count, and sorts what each took. */
export async function measure(count: number, act: () => unknown): Promise<Figure> {
  for (let i = 0; i < count / 10; i++) await act();
  const times = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    const before = performance.now();
    await act();
    times[i] = (performance.now() - before) * 1000;
  }
  times.sort();
  return { median: times[count >> 1] ?? 0, p99: times[Math.floor(count * 0.99)] ?? 0 };
}
