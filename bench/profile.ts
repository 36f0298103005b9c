// npm run bench:profile: where the daemon's time goes during the benchmark, by area. Prints a Markdown table of shares.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

interface Profile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string };
  }[];
  readonly samples: readonly number[];
  /** Microseconds before each sample. */
  readonly timeDeltas: readonly number[];
}

/** The first that fits names the area of a function. */
const areas: readonly (readonly [area: string, fits: (name: string, url: string) => boolean])[] = [
  ['waiting', (name) => name === '(idle)'],
  ['garbage collection', (name) => name === '(garbage collector)'],
  ['Node: cryptography (OpenSSL)', (_, url) => url.startsWith('node:internal/crypto')],
  ['Node: sockets, timers and the rest', (name, url) => url.startsWith('node:') || (url === '' && name !== '')],
  ['lmdb', (_, url) => url.includes('/node_modules/lmdb/')],
  ['cbor-x', (_, url) => url.includes('/node_modules/cbor-x/')],
  ['@noble (XChaCha20-Poly1305)', (_, url) => url.includes('/node_modules/@noble/')],
  ['ctap/', (_, url) => url.includes('/dist/ctap/')],
  ['hid/', (_, url) => url.includes('/dist/hid/')],
  ['store/', (_, url) => url.includes('/dist/store/')],
  ['src/', (_, url) => url.includes('/dist/src/')],
  ['other', () => true],
];

const directory = mkdtempSync(join(tmpdir(), 'passfob-profile-'));
try {
  const bench = fileURLToPath(new URL('./bench.js', import.meta.url));
  const env = { ...process.env, PASSFOB_BENCH_PROFILE: directory };
  execFileSync(process.execPath, [bench, ...process.argv.slice(2)], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  const [file] = readdirSync(directory);
  if (file === undefined) throw new Error('the daemon wrote no profile');
  printShares(JSON.parse(readFileSync(join(directory, file), 'utf8')) as Profile);
} finally {
  rmSync(directory, { recursive: true, force: true });
}

function printShares({ nodes, samples, timeDeltas }: Profile): void {
  const areaOf = new Map(
    nodes.map(({ id, callFrame: { functionName, url } }) => [
      id,
      areas.find(([, fits]) => fits(functionName, url))?.[0] ?? 'other',
    ]),
  );
  const times = new Map<string, number>();
  for (const [i, id] of samples.entries()) {
    const area = areaOf.get(id) ?? 'other';
    times.set(area, (times.get(area) ?? 0) + (timeDeltas[i] ?? 0));
  }
  times.delete('waiting');
  const total = [...times.values()].reduce((sum, time) => sum + time, 0);
  console.log("| area | share of the daemon's busy time |");
  console.log('| --- | ---: |');
  for (const [area, time] of [...times].sort((a, b) => b[1] - a[1])) {
    console.log(`| ${area} | ${((time / total) * 100).toFixed(0)} % |`);
  }
}
