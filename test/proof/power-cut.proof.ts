// A machine whose power is cut while processes use a vault on its ext4 disk: no acknowledged write lost, no count repeated
// or lower, and the vault opens at once each time. The machine is emulated; PASSFOB_POWER_CUTS chooses how many cuts.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createVault, openVault } from '../../store/vault.ts';
// biome-ignore lint/correctness/useImportExtensions: the workers run this very file
import { numbers } from './credentials.mjs';
import { lacks, withSbin } from './lacks.ts';
import { Ledger, type Line } from './ledger.ts';

const cuts = Number(process.env['PASSFOB_POWER_CUTS'] ?? 20);
const seed = Number(process.env['PASSFOB_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const unlock = { passphrase: 'correct horse' };
/** Machines at once, with the workers of each: one process, and two at the same time. */
const lanes = [[1], [1, 2]];

const isSkipped = lacks('qemu-system-x86_64', 'mkfs.ext4', 'e2fsck', 'debugfs');

let root: string;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'passfob-power-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe.skipIf(isSkipped)(`machines whose power is cut (seed ${seed})`, () => {
  it.concurrent.each(lanes.map((workers) => [workers]))(
    'lose nothing (workers: %j)',
    { timeout: 2_400_000 },
    async (workers) => {
      const lane = workers.length;
      const random = numbers(seed + lane);
      const image = join(root, `disk-${lane}`);
      await makeDisk(image);
      const ledger = new Ledger();
      for (let round = 0; round < cuts / lanes.length; round++) {
        const out = join(root, `out-${lane}-${round}`);
        await bootUntilCut(image, out, [round, random(2 ** 15), ...workers]);
        for (const worker of workers) for (const line of lines(join(out, `lines-${worker}`))) ledger.take(worker, line);
        const vault = await openVault(vaultOn(image), unlock);
        expect(ledger.faults(vault), `round ${round}`).toEqual([]);
        await vault.close();
      }
      expect(ledger.acknowledgements).toBeGreaterThanOrEqual(workers.length * (cuts / lanes.length));
    },
  );
});

/** An ext4 image with a new vault in it. */
async function makeDisk(image: string): Promise<void> {
  const content = `${image}-content`;
  await (await createVault(join(content, 'vault'), unlock, { scryptLogN: 4 })).close();
  tool('mkfs.ext4', ['-q', '-d', content, image, '32M']);
}

/** Boots the machine, which ends without a goodbye. */
async function bootUntilCut(image: string, out: string, args: readonly number[]): Promise<void> {
  mkdirSync(out);
  const guest = ['test/proof/power-cut-guest', ...args.map(String)];
  const machine = spawn('test/e2e/vm', ['run', '-b', '-t', '600', '-d', image, '-o', out, '--', ...guest], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let said = '';
  for (const stream of [machine.stdout, machine.stderr]) stream.on('data', (data) => (said += data));
  const [status] = await once(machine, 'close');
  expect([status, said]).toEqual([124, expect.stringContaining('the machine died (QEMU')]);
}

/** Whole lines; the last one may have been cut. */
function lines(file: string): Line[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

/** The vault as it stands on a copy of the disk, after the journal has been replayed; the machine replays its own. */
function vaultOn(image: string): string {
  const copy = `${image}-copy`;
  const folder = `${image}-files`;
  copyFileSync(image, copy);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  const { status } = spawnSync('e2fsck', ['-fy', copy], { env: withSbin });
  expect(status).toBeLessThan(4);
  tool('debugfs', ['-R', `rdump vault ${folder}`, copy]);
  const vault = join(folder, 'vault');
  expect(existsSync(join(vault, 'data.mdb'))).toBe(true);
  // The table of readers is of processes that are no more.
  rmSync(join(vault, 'lock.mdb'));
  return vault;
}

function tool(name: string, args: string[]): void {
  execFileSync(name, args, { env: withSbin, stdio: ['ignore', 'ignore', 'pipe'] });
}
