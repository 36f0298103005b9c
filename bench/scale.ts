// npm run bench:scale: what the key costs with 100,000 discoverable credentials against 10, in the same run. Prints a
// Markdown table. `npm run bench:scale -- 1000` takes so many instead of 100,000.

import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Credential } from '../ctap/env.ts';
import { createVault, openVault } from '../store/vault.ts';
import { measure } from './measure.ts';
import { residentBytes, startPassfob } from './program.ts';
import { ReportClient, toReports } from './reports.ts';
import { getAssertion, makeCredential } from './requests.ts';

const cborCommand = 0x90;
const few = 10;
const many = Number(process.argv[2] ?? 100_000);
const calls = 500;
/** Opens without scrypt, whose cost would hide the rest. */
const keyFile = randomBytes(32);

interface Costs {
  readonly opening: number;
  readonly signIn: number;
  readonly registration: number;
  readonly resident: number;
  /** Without pages of files. */
  readonly own: number;
}

/** The vaults go where people have theirs, not into a memory disk. */
const directory = mkdtempSync(join(process.env['PASSFOB_BENCH_DIR'] ?? process.cwd(), '.bench-'));
try {
  await bench();
} finally {
  rmSync(directory, { recursive: true, force: true });
}

async function bench(): Promise<void> {
  mkdirSync(join(directory, 'run'), { mode: 0o700 });
  process.env['XDG_RUNTIME_DIR'] = join(directory, 'run');
  writeFileSync(join(directory, 'key'), keyFile, { mode: 0o600 });
  const sizes = [few, many];
  for (const size of sizes) await fill(size);
  const [small, large] = [await costsOf(few), await costsOf(many)];

  console.log(`| discoverable credentials | ${few} | ${many} | | goal | |`);
  console.log('| --- | ---: | ---: | ---: | ---: | --- |');
  const ratio = (name: string, before: number, after: number, goal: number) =>
    row(name, before.toFixed(0), after.toFixed(0), (after / before).toFixed(2), `≤ ${goal}`, after <= goal * before);
  ratio('opening, median µs', small.opening, large.opening, 1.5);
  ratio('sign-in, median µs', small.signIn, large.signIn, 1.2);
  ratio('registration, median µs', small.registration, large.registration, 1.2);
  const memory = (name: string, before: number, after: number) => {
    const more = Math.max(after - before, 0) / 1e6;
    const [from, to] = [before, after].map((bytes) => (bytes / 1e6).toFixed(0));
    row(name, `${from}`, `${to}`, `+${more.toFixed(0)}`, '≤ +30', more <= 30);
  };
  memory('memory of its own after all this, MB', small.own, large.own);
  memory('the same with mapped pages of files, MB', small.resident, large.resident);
}

function row(name: string, ...cells: [...string[], boolean]): void {
  const isMet = cells.pop();
  console.log(`| ${[name, ...cells, isMet ? 'met' : 'missed'].join(' | ')} |`);
}

function vaultOf(size: number): string {
  return join(directory, `vault-${size}`);
}

/** Each site has two of them, as people have. */
async function fill(size: number): Promise<void> {
  const vault = await createVault(vaultOf(size), { keyFile });
  const batch = 1000;
  for (let first = 0; first < size; first += batch) {
    await vault.update((tx) => {
      for (let number = first; number < Math.min(first + batch, size); number++) tx.putCredential(credential(number));
    });
  }
  await vault.close();
}

function credential(number: number): Credential {
  return {
    id: randomBytes(32),
    rpIdHash: Buffer.alloc(32, `site ${number >> 1}`),
    algorithm: -7,
    privateKey: randomBytes(32),
    publicKey: randomBytes(65),
    kind: 'device-bound',
    credProtect: 1,
    credRandom: { withUV: randomBytes(32), withoutUV: randomBytes(32) },
    thirdPartyPayment: false,
    rpId: `site-${number >> 1}.example`,
    user: { id: randomBytes(16), name: `user${number}@example.com`, displayName: `User ${number}` },
    createdAt: Date.now(),
  };
}

async function costsOf(size: number): Promise<Costs> {
  const opening = await measure(30, async () => (await openVault(vaultOf(size), { keyFile })).close());
  const socket = join(directory, `key-${size}.sock`);
  const daemon = await startPassfob(
    ...['run', '--transport', `socket:${socket}`, '--consent', 'always', '--log-level', 'silent'],
    ...['--vault', vaultOf(size), '--key-file', join(directory, 'key')],
  );
  const client = await ReportClient.connect(socket);
  const channel = await client.openChannel();
  const call = async (request: Uint8Array) => {
    const answer = await client.exchange(toReports(channel, cborCommand, request));
    if (answer[0] !== 0) throw new Error(`the key answered with status ${answer[0]}`);
  };
  await call(makeCredential(true));
  const signIn = await measure(calls, () => call(getAssertion()));
  const registration = await measure(calls, () => call(makeCredential(true)));
  const [resident = 0, own = 0] = [residentBytes(daemon), residentBytes(daemon, 'RssAnon')];
  client.close();
  await daemon.stop();
  return { opening: opening.median, signIn: signIn.median, registration: registration.median, resident, own };
}
