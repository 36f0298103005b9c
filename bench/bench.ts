// npm run bench: the key over its Unix socket against the floors of the same run. Prints a Markdown table; absolute
// figures are the machine's, ratios are ours. `npm run bench -- 200` makes 200 calls each instead of 1,000.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Floors, measureFloors, measureScrypt } from './floors.ts';
import { type Figure, measure } from './measure.ts';
import { residentBytes, runPassfob, startEcho, startPassfob } from './program.ts';
import { ReportClient, reportCount, toReports } from './reports.ts';
import { credentialId, getAssertion, getInfo, makeCredential } from './requests.ts';

const cborCommand = 0x90;
const count = Number(process.argv[2] ?? 1000);

interface Case {
  readonly name: string;
  readonly request: Uint8Array;
  /** The ratio that we aim at, and what it is a ratio of, beside the echo. */
  readonly goal: number;
  readonly floor: (floors: Floors) => number;
  readonly floorName: string;
}

/** The vault goes where people have theirs, not into a memory disk. */
const directory = mkdtempSync(join(process.env['PASSFOB_BENCH_DIR'] ?? process.cwd(), '.bench-'));
try {
  await bench();
} finally {
  rmSync(directory, { recursive: true, force: true });
}

async function bench(): Promise<void> {
  const vault = ['--vault', join(directory, 'vault'), '--passphrase-file', join(directory, 'passphrase')];
  writeFileSync(join(directory, 'passphrase'), 'correct horse battery staple\n', { mode: 0o600 });
  mkdirSync(join(directory, 'run'), { mode: 0o700 });
  process.env['XDG_RUNTIME_DIR'] = join(directory, 'run');
  runPassfob('vault', 'init', ...vault);
  const scryptMs = await measureScrypt();
  const floors = await measureFloors(count, directory);

  const socket = join(directory, 'key.sock');
  const daemon = await startPassfob(
    ...['run', '--transport', `socket:${socket}`, '--consent', 'always', '--log-level', 'silent', ...vault],
  );
  const idleBytes = residentBytes(daemon);
  const client = await ReportClient.connect(socket);
  const channel = await client.openChannel();
  const call = (request: Uint8Array) => client.exchange(toReports(channel, cborCommand, request));

  const id = credentialId(await call(makeCredential(false)));
  await call(makeCredential(true));
  console.log(`| over the Unix socket, ${count} calls | median µs | p99 µs | floor µs | ratio | goal | |`);
  console.log('| --- | ---: | ---: | ---: | ---: | ---: | --- |');
  for (const each of cases(id)) {
    const reports = toReports(channel, cborCommand, each.request);
    const answer = await client.exchange(reports);
    if (answer[0] !== 0) throw new Error(`${each.name}: the key answered with status ${answer[0]}`);
    const echo = await measureEcho(reports, reportCount(answer.length));
    const figure = await measure(count, () => client.exchange(reports));
    printRow(each, figure, echo.median + each.floor(floors));
  }
  const busyBytes = residentBytes(daemon);
  client.close();
  await daemon.stop();

  printFloors(floors);
  console.log(`\nunlocking by design (scrypt): ${scryptMs.toFixed(0)} ms`);
  console.log(`ready after the start: ${daemon.readyAfterMs.toFixed(0)} ms, goal: scrypt + Node's start + 300 ms`);
  const megabytes = (bytes: number | undefined) => (bytes === undefined ? '?' : (bytes / 1e6).toFixed(0));
  console.log(
    `resident: ${megabytes(idleBytes)} MB when ready, ${megabytes(busyBytes)} MB after all this, goal: 80 MB`,
  );
}

function cases(id: Uint8Array): Case[] {
  const floorOf = {
    echo: { floor: () => 0, floorName: 'echo' },
    sign: { floor: (f: Floors) => f.signature.median, floorName: 'echo + signature' },
    make: { floor: (f: Floors) => f.keyPair.median + f.signature.median, floorName: 'echo + key pair + signature' },
    store: {
      floor: (f: Floors) => f.keyPair.median + f.signature.median + f.durableWrite.median,
      floorName: 'echo + key pair + signature + durable write',
    },
  };
  return [
    { name: 'getInfo', request: getInfo, goal: 1.5, ...floorOf.echo },
    { name: 'makeCredential', request: makeCredential(false), goal: 2, ...floorOf.make },
    { name: 'makeCredential, discoverable', request: makeCredential(true), goal: 2, ...floorOf.store },
    { name: 'getAssertion, allow list', request: getAssertion(id), goal: 2, ...floorOf.sign },
    { name: 'getAssertion, discoverable', request: getAssertion(), goal: 2, ...floorOf.sign },
  ];
}

async function measureEcho(reports: Uint8Array, answerReports: number): Promise<Figure> {
  const path = join(directory, 'echo.sock');
  const echo = await startEcho(path, reports.length / 64, answerReports);
  const client = await ReportClient.connect(path);
  try {
    return await measure(count, () => client.echo(reports, answerReports));
  } finally {
    client.close();
    await echo.stop();
    rmSync(path, { force: true });
  }
}

function printRow({ name, goal, floorName }: Case, figure: Figure, floor: number): void {
  const ratio = figure.median / floor;
  const cells = [
    name,
    figure.median.toFixed(0),
    figure.p99.toFixed(0),
    `${floor.toFixed(0)} (${floorName})`,
    ratio.toFixed(2),
    `≤ ${goal}`,
    ratio <= goal ? 'met' : 'missed',
  ];
  console.log(`| ${cells.join(' | ')} |`);
}

function printFloors({ signature, keyPair, durableWrite }: Floors): void {
  console.log('\n| floor | median µs | p99 µs |');
  console.log('| --- | ---: | ---: |');
  for (const [name, figure] of Object.entries({
    signature,
    'key pair': keyPair,
    'durable write of 4 KiB': durableWrite,
  })) {
    console.log(`| ${name} | ${figure.median.toFixed(0)} | ${figure.p99.toFixed(0)} |`);
  }
}
