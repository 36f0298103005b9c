// Opens a vault, uses it, closes it, and looks for its secrets in its own memory; prints how many copies of each are left.
// Arguments: folder of the vault, key file, what to do, and the file with what to look for: for each secret the hexadecimal
// digits of 8 bytes and the SHA-256 of those behind them, so that looking for it makes no copy. They are of its second half,
// since what is freed without being overwritten loses its first 16 bytes to the list of what is free.
import { createHash } from 'node:crypto';
import { openSync, readFileSync, readSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { openVault } from '../../dist/store/vault.js';

const [directory, keyPath, what, soughtPath] = process.argv.slice(2);
const filled = (number) => new Uint8Array(32).fill(number);

const uses = {
  use: (vault) => {
    for (let number = 1; number <= 100; number++) vault.credential(filled(number));
    vault.credentialsOf(filled(0xaa));
  },
  list: async (vault) => {
    await vault.check();
    vault.credentials()[Symbol.iterator]().next().value.privateKey.fill(0);
    for (const { privateKey, credRandom } of vault.credentials()) {
      for (const secret of [privateKey, credRandom.withUV, credRandom.withoutUV]) secret.fill(0);
    }
  },
  change: async (vault) => {
    const credential = vault.credential(filled(3));
    await vault.update((tx) => tx.putCredential({ ...credential, createdAt: 1 }));
    await vault.update((tx) => tx.setDevice({ pinRetries: 3 }));
  },
  rekey: (vault) => vault.rekey(),
};

const keyFile = readFileSync(keyPath);
const vault = await openVault(directory, { keyFile });
keyFile.fill(0);
await uses[what](vault);
await vault.close();
for (let round = 0; round < 4; round++) {
  globalThis.gc();
  await setTimeout(5);
}
console.log(JSON.stringify(look()));

function look() {
  const memory = openSync('/proc/self/mem', 'r');
  const chunk = Buffer.alloc(1 << 20);
  const found = {};
  const sought = soughtByStart(JSON.parse(readFileSync(soughtPath, 'utf8')));
  for (const [start, end] of writableRanges()) {
    for (let at = start; at < end; at += chunk.length - 32) {
      const length = read(memory, chunk, Math.min(chunk.length, end - at), at);
      for (let hit = 0; hit + 16 <= length; hit++) {
        const candidates = sought[(chunk[hit] << 8) | chunk[hit + 1]];
        if (candidates !== undefined) count(found, candidates, chunk.subarray(hit, hit + 16));
      }
      chunk.fill(0);
    }
  }
  return found;
}

/** By their first two bytes: there are many of them, and all memory is to be gone through only once. */
function soughtByStart(sought) {
  const byStart = new Array(1 << 16).fill(undefined);
  for (const { name, first, rest } of sought) {
    const beginning = Buffer.from(first, 'hex');
    const start = beginning.readUInt16BE();
    byStart[start] = [...(byStart[start] ?? []), { name, beginning, rest }];
  }
  return byStart;
}

function count(found, candidates, bytes) {
  for (const { name, beginning, rest } of candidates) {
    if (!bytes.subarray(0, 8).equals(beginning)) continue;
    if (createHash('sha256').update(bytes.subarray(8)).digest('hex') === rest) found[name] = (found[name] ?? 0) + 1;
  }
}

function writableRanges() {
  return readFileSync('/proc/self/maps', 'utf8')
    .split('\n')
    .filter((line) => / rw/.test(line))
    .map((line) =>
      line
        .split(' ')[0]
        .split('-')
        .map((part) => Number.parseInt(part, 16)),
    );
}

/** Not every mapping can be read. */
function read(memory, chunk, length, at) {
  try {
    return readSync(memory, chunk, 0, length, at);
  } catch {
    return 0;
  }
}
